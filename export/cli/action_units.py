"""``emoserve-export action-units``: the action-unit heads."""

from export.faces.command import configure_action_units as configure

__all__ = ["configure"]
