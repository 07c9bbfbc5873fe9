"""What this process holds of the jobs that it works on.

Each job has a thread of its own, which alone opens, closes and leaves; others may only ask it to stop. So nothing is
closed twice, and whatever a job holds is given back exactly once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from service.jobs.cipher import EncryptedReader
from service.jobs.part import Part


class Abandoned(BaseException):
    """The service stops: the step was not done and will be done by the next start."""


@dataclass
class LiveJob:
    """A job that this process works on.

    Attributes:
        cancel: set by others when the job was cancelled or the service stops; all else is its own thread's.
        place: part and number of the segment that ``part`` would do next; None where it stands nowhere.
        part: under way.
        source: the recording that ``part`` reads.
        owed_s: seconds of media that are not paid for yet.
        has_turn: whether it has one of the places.
    """

    cancel: threading.Event = field(default_factory=threading.Event)
    place: tuple[str, int] | None = None
    part: Part | None = None
    source: EncryptedReader | None = None
    owed_s: float = 0.0
    has_turn: bool = False

    def let_go(self) -> None:
        """Let go of the recording."""
        part, source = self.part, self.source
        self.place = self.part = self.source = None
        try:
            if part is not None:
                part.close()
        finally:
            if source is not None:
                source.close()


class LiveJobs:
    """All of them. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[str, LiveJob] = {}
        self.stopping = threading.Event()

    def __len__(self) -> int:
        return len(self._jobs)

    def enter(self, handle: str) -> LiveJob:
        """What is held of a job; nothing at first.

        Raises:
            Abandoned: the service stops.
        """
        with self._changed:
            if self.stopping.is_set():
                raise Abandoned
            return self._jobs.setdefault(handle, LiveJob())

    def find(self, handle: str) -> LiveJob | None:
        """What is held of a job, if it was entered."""
        with self._changed:
            return self._jobs.get(handle)

    def remove(self, handle: str) -> None:
        """Forget a job of which nothing is held any more."""
        with self._changed:
            self._jobs.pop(handle, None)
            self._changed.notify_all()

    def cancel(self, handle: str) -> None:
        """Ask a job's thread to stop."""
        live = self.find(handle)
        if live is not None:
            live.cancel.set()

    def stop(self, timeout_s: float) -> bool:
        """Ask all threads to stop; False if a job is still held when the time is over."""
        with self._changed:
            self.stopping.set()
            for live in self._jobs.values():
                live.cancel.set()
            return self._changed.wait_for(lambda: not self._jobs, timeout_s)
