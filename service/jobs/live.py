"""The jobs that this process works on, and the files and places that each holds.

Each job has its own thread. That thread alone opens and closes what the job holds, so that each thing is closed
exactly once; other threads may only ask it to stop.
"""

import threading
from dataclasses import dataclass, field

from service.jobs.cipher import EncryptedReader
from service.jobs.part import Part


class Abandoned(BaseException):
    """The service stops; the next start does the step."""


@dataclass
class LiveJob:
    """One job that this process works on.

    Attributes:
        cancel: set by other threads when the job is cancelled or the service stops. Only the job's own thread uses
            the rest.
        position: part and number of the segment that ``part`` does next; None while a segment runs.
        part: the open part, if any.
        source: the recording that ``part`` reads, if any.
        owed_s: seconds of media that its owner has not paid for yet.
        has_place: whether it holds a place in the queue.
    """

    cancel: threading.Event = field(default_factory=threading.Event)
    position: tuple[str, int] | None = None
    part: Part | None = None
    source: EncryptedReader | None = None
    owed_s: float = 0.0
    has_place: bool = False

    def let_go(self) -> None:
        """Close the part and the recording."""
        part, source = self.part, self.source
        self.position = self.part = self.source = None
        try:
            if part is not None:
                part.close()
        finally:
            if source is not None:
                source.close()


class LiveJobs:
    """All jobs that this process works on. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[str, LiveJob] = {}
        self.stopping = threading.Event()

    def __len__(self) -> int:
        return len(self._jobs)

    def enter(self, handle: str) -> LiveJob:
        """The job's entry, made empty on the first call. Raises Abandoned if the service stops."""
        with self._changed:
            if self.stopping.is_set():
                raise Abandoned
            return self._jobs.setdefault(handle, LiveJob())

    def find(self, handle: str) -> LiveJob | None:
        """The job's entry, if there is one."""
        with self._changed:
            return self._jobs.get(handle)

    def remove(self, handle: str) -> None:
        """Remove the job's entry; it holds nothing any more."""
        with self._changed:
            self._jobs.pop(handle, None)
            self._changed.notify_all()

    def cancel(self, handle: str) -> None:
        """Ask the job's thread to stop."""
        live = self.find(handle)
        if live is not None:
            live.cancel.set()

    def stop(self, timeout_s: float) -> bool:
        """Ask all threads to stop and wait for them; False if some still run after ``timeout_s``."""
        with self._changed:
            self.stopping.set()
            for live in self._jobs.values():
                live.cancel.set()
            return self._changed.wait_for(lambda: not self._jobs, timeout_s)
