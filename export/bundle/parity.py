"""The export check: whether a graph computes what it was made of."""

from __future__ import annotations


class ParityError(Exception):
    """A graph that does not compute what its network computes."""


def refuse_difference(name: str, difference: float, tolerance: float, against: str = "network") -> None:
    """Refuse a graph that is too far from what it was made of.

    Args:
        name: of the bundle or the network.
        difference: the largest one that was found.
        against: what the graph was compared with.

    Raises:
        ParityError: ``difference`` exceeds ``tolerance``, or is no number.
    """
    if not difference <= tolerance:
        raise ParityError(f"{name}: graph and {against} differ by {difference:.2e}, more than {tolerance:.0e}")
