"""``emoserve-export faces``: the face bundle."""

from export.faces.command import configure_faces as configure

__all__ = ["configure"]
