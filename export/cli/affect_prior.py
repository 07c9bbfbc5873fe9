"""``emoserve-export affect-prior``: the affect prior."""

from export.affect.command import configure_prior as configure

__all__ = ["configure"]
