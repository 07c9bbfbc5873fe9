"""What parts of a job have written down: records that stay until the end, and states of which the newest counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.jobs.codec import decode, encode
from service.jobs.spool import JobSpool


class PartFiles:
    """The files of one part of one job.

    Args:
        spool: the job's.
        part: name of the part.
    """

    def __init__(self, spool: JobSpool, part: str) -> None:
        self._spool = spool
        self._part = part

    def store(self, number: int, record: dict[str, Any], state: dict[str, Any] | None) -> None:
        """Write down what a segment gave. The state before stays: the step may be done anew.

        Raises:
            NoSpace, SpoolDamagedError
        """
        self._spool.store(f"{self._part}-{number}", encode(record))
        if state is not None:
            self._spool.store(f"{self._part}-{number}-state", encode(state))
        self._spool.remove(f"{self._part}-{number - 2}-state")

    def state(self, number: int) -> dict[str, Any] | None:
        """What the segment ``number`` begins with; None for the first.

        Raises:
            SpoolDamagedError
        """
        if number == 0:
            return None
        state: dict[str, Any] = decode(self._spool.read(f"{self._part}-{number - 1}-state"))
        return state

    def record(self, number: int) -> dict[str, Any]:
        """What a segment gave.

        Raises:
            SpoolDamagedError
        """
        record: dict[str, Any] = decode(self._spool.read(f"{self._part}-{number}"))
        return record

    def records(self) -> Iterator[dict[str, Any]]:
        """What all segments gave, in order.

        Raises:
            SpoolDamagedError
        """
        number = 0
        while self._spool.has(f"{self._part}-{number}"):
            yield self.record(number)
            number += 1
