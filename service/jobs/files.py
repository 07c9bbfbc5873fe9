"""Files of a job: its profile, if any, and of each part records, kept until the job ends, and its newest two states."""

from collections.abc import Iterator
from typing import Any, Final

from service.jobs.codec import decode, encode
from service.jobs.spool import JobSpool
from service.pipeline.face.neutral import FaceProfile
from service.pipeline.results import VoiceProfile

PROFILE: Final = "profile"
"""File of the profile that came with the recording."""


def store_profile(spool: JobSpool, profile: VoiceProfile | FaceProfile) -> None:
    """Keep a profile among the job's files; raises as :meth:`JobSpool.store`."""
    spool.store(PROFILE, encode(dict(vars(profile))))


def stored_voice(spool: JobSpool) -> VoiceProfile:
    """The profile of a voice that was kept. Raises SpoolDamagedError if the file is missing or damaged."""
    return VoiceProfile(**decode(spool.read(PROFILE)))


def stored_face(spool: JobSpool) -> FaceProfile:
    """The profile of a face that was kept; raises as :func:`stored_voice`."""
    return FaceProfile(**decode(spool.read(PROFILE)))


SHAPE: Final = "7"
"""Version of what records and states hold, raised with every change of it: what another release wrote is done again."""

_SHAPE_FILE: Final = "shape"


def _mark(spool: JobSpool) -> bytes:
    """Names of files hold the shape where leases change hands: releases of two shapes may do so side by side."""
    return SHAPE.encode() if spool.lease is None else b"leases, " + SHAPE.encode()


def has_this_shape(spool: JobSpool) -> bool:
    """Whether the job's records and states are of this release's :data:`SHAPE`.

    Raises:
        SpoolDamagedError: the file that says so is damaged.
    """
    return spool.has(_SHAPE_FILE) and spool.read(_SHAPE_FILE) == _mark(spool)


def mark_shape(spool: JobSpool) -> None:
    """Write down that the job's records and states are of this shape; raises as :meth:`PartFiles.store`."""
    spool.store(_SHAPE_FILE, _mark(spool))


def unmark_shape(spool: JobSpool) -> None:
    """Write down that the job's records and states are of no shape, until they have been done again."""
    if spool.has(_SHAPE_FILE):
        spool.store(_SHAPE_FILE, b"")


class PartFiles:
    """The files of one part of one job."""

    def __init__(self, spool: JobSpool, part: str) -> None:
        self._spool = spool
        self._part = part if spool.lease is None else f"{part}.{SHAPE}"

    def store(self, number: int, record: dict[str, Any], state: dict[str, Any] | None) -> None:
        """Store a segment's record and the state after it. The state before is kept: the step may be repeated.

        Raises:
            NoSpace: the disk is full.
            SpoolDamagedError: the job was deleted.
        """
        self._spool.store(f"{self._part}-{number}", encode(record))
        if state is not None:
            self._spool.store(f"{self._part}-{number}-state", encode(state))
        self._spool.remove(f"{self._part}-{number - 2}-state")

    def state(self, number: int) -> dict[str, Any] | None:
        """The state from which segment ``number`` goes on; None for the first.

        Raises:
            SpoolDamagedError: the file is missing or damaged.
        """
        if number == 0:
            return None
        state: dict[str, Any] = decode(self._spool.read(f"{self._part}-{number - 1}-state"))
        return state

    def clear(self) -> None:
        """Delete the records and states of all segments."""
        number = 0
        while self._spool.has(f"{self._part}-{number}"):
            self._spool.remove(f"{self._part}-{number}-state")
            self._spool.remove(f"{self._part}-{number}")
            number += 1

    def record(self, number: int) -> dict[str, Any]:
        """The record of segment ``number``. Raises SpoolDamagedError if the file is missing or damaged."""
        record: dict[str, Any] = decode(self._spool.read(f"{self._part}-{number}"))
        return record

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of all segments in order. Raises SpoolDamagedError if a file is damaged.

        Where an older lease wrote after a newer one, it had lost the job without noticing: that is no record.
        """
        number, least = 0, 0
        while (lease := self._spool.written_by(f"{self._part}-{number}")) is not None and lease >= least:
            yield self.record(number)
            number, least = number + 1, lease
