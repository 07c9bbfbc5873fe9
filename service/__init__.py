"""The online half of Emoserve: a FastAPI service that answers media uploads with affect."""

__version__ = "0.1.0"
