"""What can be wrong with weights."""

from __future__ import annotations


class WeightsError(ValueError):
    """Weights that cannot be had, read or used for the network that was asked for; the message is one line."""
