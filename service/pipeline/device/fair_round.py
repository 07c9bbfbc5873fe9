"""Fair turns: parties take turns, and the members of each party take turns within it."""

from collections import OrderedDict, deque
from collections.abc import Container, Iterator
from typing import Generic, TypeVar

Member = TypeVar("Member")


class FairRound(Generic[Member]):
    """Cycles through one member of each party, then the next member of each. Not thread-safe.

    A party of fifty gets as many turns as a party of one.
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
        """Number of calls of :meth:`next` after which every member has had a turn."""
        return len(self._parties) * max(map(len, self._parties.values()), default=0)

    def add(self, party: str, member: Member) -> None:
        """Add ``member`` at the end of ``party``."""
        self._parties.setdefault(party, deque()).append(member)

    def next(self, but_not: Container[str] = ()) -> Member:
        """The next member; it and its party move to the end. Parties in ``but_not`` are passed over.

        Raises:
            KeyError: no member is left.
        """
        for party, members in self._parties.items():
            if party not in but_not:
                self._parties.move_to_end(party)
                members.rotate(-1)
                return members[-1]
        raise KeyError("no member is left")

    def remove(self, member: Member) -> bool:
        """Remove ``member``; False if it is not in the round."""
        for party, members in self._parties.items():
            if member in members:
                members.remove(member)
                if not members:
                    del self._parties[party]
                return True
        return False

    def clear(self) -> None:
        """Remove all members."""
        self._parties.clear()
