"""Whose turn it is: parties take turns, and within a party its members do."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container, Iterator
from typing import Generic, TypeVar

Member = TypeVar("Member")


class FairRound(Generic[Member]):
    """Members of parties in turn: one member of each party, then the next member of each.

    So a party of fifty gets no more turns than a party of one. Not thread-safe.
    """

    def __init__(self) -> None:
        self._parties: OrderedDict[str, deque[Member]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._parties.values()))

    def __bool__(self) -> bool:
        return bool(self._parties)

    def __iter__(self) -> Iterator[Member]:
        for members in self._parties.values():
            yield from members

    @property
    def turns(self) -> int:
        """Calls of :meth:`next` after which every member has had a turn."""
        return len(self._parties) * max(map(len, self._parties.values()), default=0)

    def add(self, party: str, member: Member) -> None:
        """Let ``member`` join ``party``, behind those who are there."""
        self._parties.setdefault(party, deque()).append(member)

    def next(self, but_not: Container[str] = ()) -> Member:
        """Whose turn it is; it and its party go to the end. Parties in ``but_not`` are passed over.

        Raises:
            KeyError: there is nobody.
        """
        for party, members in self._parties.items():
            if party not in but_not:
                self._parties.move_to_end(party)
                members.rotate(-1)
                return members[-1]
        raise KeyError("nobody is there")

    def remove(self, member: Member) -> bool:
        """Let ``member`` leave; False if it was not there."""
        for party, members in self._parties.items():
            if member in members:
                members.remove(member)
                if not members:
                    del self._parties[party]
                return True
        return False

    def clear(self) -> None:
        """Let everybody leave."""
        self._parties.clear()
