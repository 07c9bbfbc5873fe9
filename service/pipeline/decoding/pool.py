"""A pool of warm decoder processes: each runs one job at a time, and is replaced when it dies or ages."""

import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from service.pipeline.decoding.confinement import Confinement
from service.pipeline.decoding.decoder_messages import claimed_length_of
from service.pipeline.decoding.forkserver import ForkServer
from service.pipeline.decoding.places import Place, Places
from service.pipeline.decoding.protocol import BEGUN, OUTGROWN, Channel
from service.pipeline.device.task import Cancelled
from service.problems import DeadlineExceeded, DecoderUnavailable, MediaInvalid, Problem, all_problems

JOBS_A_PROCESS: Final = 500
"""Files after which a process is replaced, so that no leak of memory grows."""

READY_TIMEOUT_S: Final = 10.0
"""Seconds that a new process has to report that it is ready."""

SHORT_TIMEOUT_S: Final = 1.0
"""Seconds after which work in a place for short work is ended, and begun again in one for long work."""

SHORT_SAMPLES: Final = 12_000_000
"""Samples of all channels up to which decoding is short work: 12 minutes at 16 kHz, or 2 minutes of 48 kHz stereo.
That takes 0.1 to 0.5 s (measured)."""

PATIENT_SHARE: Final = 0.5
"""Share of its deadline that a job waits for a place; the other half is for the work itself."""

TOO_SLOW: Final = "The recording took too long to decode."

MAX_DETAIL_CHARACTERS: Final = 300
POINTERS: Final = ("/start_s", "/end_s", "/channel", "/track", "/picture_track")
"""Parameters that a file can be at odds with."""

OnMessage = Callable[[dict[str, Any], Channel], None]


class _OutgrownError(Exception):
    """Work turned out to be too long for a place for short work.

    Args:
        claimed_s: seconds that the file's header claims, 0 if that is not known.
    """

    def __init__(self, claimed_s: float = 0.0) -> None:
        super().__init__(claimed_s)
        self.claimed_s = claimed_s


class WorkerDiedError(Exception):
    """The process died during a job.

    Args:
        signal_name: signal that ended it; None if it exited.
        had_begun: whether it had begun to read the file; if not, the file is not to blame.
    """

    def __init__(self, signal_name: str | None, had_begun: bool) -> None:
        super().__init__(signal_name, had_begun)
        self.signal_name = signal_name
        self.had_begun = had_begun


class _Worker:
    """One live process."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel
        self.jobs = 0
        self.has_begun = False


@dataclass(frozen=True)
class _Talk:
    """One job: its request to a process, and the receiver of the answers.

    Attributes:
        brief_s: seconds in a place for short work; None in one for long work.
        place: gives way to others while the job runs.
    """

    header: dict[str, object]
    data: memoryview
    on_message: OnMessage
    total_s: float
    cancel: threading.Event | None
    brief_s: float | None = None
    place: Place | None = None


class WorkerPool:
    """Decoder processes: ``size`` at the start, up to three times as many on demand. Thread-safe.

    Owners take turns, and short work never waits for long work, which has places of its own. Work counts as short
    unless its file claims to be long; where that proves wrong, it is ended and begun again as long work. Twice ``size``
    pieces of long work have a process, at most half of them one owner's, and ``size`` of them run, in slices: a video
    keeps its process while its frames are analysed, which may take minutes.

    Args:
        size: short jobs at once; as many long ones beside them.
        memory_bytes: address space of each process.
        job_timeout_s: processor seconds, and wall-clock seconds between two messages, after which a job is killed.
        deadline_s: wall-clock seconds after which it is killed; it waits for a process for a share of them.
        on_death: called with the signal's name whenever a process dies.
    """

    def __init__(
        self,
        size: int,
        memory_bytes: int,
        job_timeout_s: float,
        deadline_s: float,
        on_death: Callable[[str], None],
    ) -> None:
        self._size = size
        self._memory_bytes = memory_bytes
        self._job_timeout_s = job_timeout_s
        self._deadline_s = deadline_s
        self._patience_s = PATIENT_SHARE * deadline_s
        self._on_death = on_death
        self._server = ForkServer()
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()  # None: a place without a process
        self._short, self._long = Places(size), Places(size)
        self._begun = Places(2 * size, most_each=size)  # long work that has a process
        self._lock = threading.Lock()
        self._live: dict[int, _Worker] = {}
        self._open = False
        self.confinement: Confinement | None = None  # of the process that was started last

    def start(self) -> None:
        """Start all processes. Raises DecoderUnavailable if they cannot be started."""
        try:
            self._server.start()
        except (OSError, EOFError) as error:
            self._server.close()
            raise DecoderUnavailable("The decoder process cannot be started.") from error
        self._open = True
        for _ in range(2 * self._size):
            self._free.put(None)  # at the bottom of the stack: taken when all running processes are in use
        for _ in range(self._size):
            self._free.put(self._new_worker())
        if len(self.pids()) < self._size:
            self.close()
            raise DecoderUnavailable("The decoder processes cannot be started.")

    def close(self) -> None:
        """End all processes; running jobs fail with WorkerDiedError."""
        with self._lock:
            self._open = False
            live = list(self._live.values())
        for worker in live:
            self._end(worker)
        self._server.close()

    @property
    def is_open(self) -> bool:
        """Whether the pool takes jobs: after ``start`` and before ``close``."""
        return self._open

    def pids(self) -> list[int]:
        """Process ids of the live decoder processes."""
        with self._lock:
            return list(self._live)

    def run(
        self,
        kind: str,
        arguments: dict[str, object],
        data: memoryview,
        on_message: OnMessage,
        *,
        total_timeout_s: float | None = None,
        remote_bytes: int | None = None,
        on_restart: Callable[[float], None] | None = None,
        is_long: bool = False,
        cancel: threading.Event | None = None,
    ) -> dict[str, Any]:
        """Run one job to its end.

        Args:
            kind: see :data:`service.pipeline.decoding.worker.JOB_KINDS`.
            arguments: the job's, JSON.
            data: the upload.
            on_message: called with every message but the last, reads its payload. An exception ends the process.
            total_timeout_s: seconds for the whole job, where ``on_message`` sets the pace; the pool's time limit
                then holds for each message alone.
            remote_bytes: size of a file that the process reads by messages (see remote_file.py), answered by
                ``on_message``; ``data`` is empty then.
            on_restart: called when the job begins again as long work, after messages may have come, with the seconds
                that its header claims, 0 if that is not known; without it a job that is not long may take its time in
                a place for short work.
            is_long: whether the job takes a place for long work at once.
            cancel: set by someone else to give up.

        Returns:
            The last message.

        Raises:
            Problem: the job found an error in the file.
            WorkerDiedError: the process died during the job.
            DeadlineExceeded: the job reached its time limit and was killed.
            DecoderUnavailable: no process was free in time, or none can be started.
            Cancelled: ``cancel`` was set.
        """
        total_s = self._job_timeout_s if total_timeout_s is None else total_timeout_s
        header: dict[str, object] = {"kind": kind, "bytes": len(data), "cpu_s": total_s, "arguments": arguments}
        if remote_bytes is not None:
            header["remote_bytes"] = remote_bytes
        talk = _Talk(header, data, on_message, total_s, cancel)
        if not is_long:
            if on_restart is None:
                with self._short.hold(self._patience_s, cancel):
                    return self._twice(talk)
            try:
                brief = replace(
                    talk,
                    header=header | {"arguments": arguments | {"most_samples": SHORT_SAMPLES}},
                    brief_s=min(SHORT_TIMEOUT_S, total_s),
                )
                with self._short.hold(self._patience_s, cancel):
                    return self._twice(brief)
            except _OutgrownError as outgrown:
                on_restart(outgrown.claimed_s)
        with self._begun.hold(self._patience_s, cancel), self._long.hold(self._patience_s, cancel) as place:
            if total_timeout_s is None:  # other work takes its part of the processor
                talk = replace(talk, total_s=max(total_s, self._deadline_s))
            return self._twice(replace(talk, place=place))

    def _twice(self, talk: _Talk) -> dict[str, Any]:
        """Run a job, and once more if its process ended as it began, for want of memory elsewhere for instance."""
        try:
            return self._attempt(talk)
        except WorkerDiedError as death:
            if death.had_begun:
                raise
        return self._attempt(talk)

    def _attempt(self, talk: _Talk) -> dict[str, Any]:
        worker = self._take()
        retire = True
        try:
            last = self._converse(worker, talk)
            worker.jobs += 1
            retire = worker.jobs >= JOBS_A_PROCESS or bool(last.get("retire"))
        except TimeoutError:
            if talk.brief_s is not None and talk.brief_s < talk.total_s:
                raise _OutgrownError from None
            self._bury(worker)
            raise DeadlineExceeded(TOO_SLOW) from None
        except (EOFError, OSError):
            raise WorkerDiedError(self._bury(worker), worker.has_begun) from None
        except ValueError:  # the process has gone wrong and must not get another file
            self._bury(worker)
            raise WorkerDiedError(None, had_begun=True) from None
        finally:
            self._give_back(worker, retire)
        if last.get("type") == OUTGROWN and talk.brief_s is not None:
            raise _OutgrownError(claimed_length_of(last))
        if last.get("type") == "problem":
            raise _problem(last)
        return last

    def _converse(self, worker: _Worker, talk: _Talk) -> dict[str, Any]:
        channel = worker.channel
        worker.has_begun = False
        ends_at = time.monotonic() + (talk.total_s if talk.brief_s is None else talk.brief_s)
        channel.set_deadline(ends_at)
        channel.send(talk.header, talk.data)
        while True:
            channel.set_deadline(min(ends_at, time.monotonic() + self._job_timeout_s))
            message = channel.receive_header()
            worker.has_begun = True
            if message.get("type") == BEGUN:
                continue
            if message.get("type") in ("done", "problem", OUTGROWN):
                return message
            talk.on_message(message, channel)
            if talk.cancel is not None and talk.cancel.is_set():
                raise Cancelled
            if talk.place is not None:
                ends_at += talk.place.give_way(self._patience_s, talk.cancel)

    def _take(self) -> _Worker:
        if not self._open:
            raise DecoderUnavailable("The decoder is not running.")
        worker = self._free.get_nowait()  # never empty: there are as many as places, and the caller has one
        if worker is not None and worker.channel.peer_has_gone():
            self._bury(worker)
            worker = None
        if worker is None:
            worker = self._new_worker()
        if worker is None:
            self._free.put(None)
            raise DecoderUnavailable(retry_after_s=1.0)
        return worker

    def _give_back(self, worker: _Worker, retire: bool) -> None:
        if retire:
            self._end(worker)
            self._free.put(self._new_worker())
        else:
            self._free.put(worker)

    def _new_worker(self) -> _Worker | None:
        if not self._open:
            return None
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        try:
            with theirs:
                pid = self._server.fork(theirs, self._memory_bytes)
            channel.set_deadline(time.monotonic() + READY_TIMEOUT_S)
            self.confinement = Confinement.from_message(channel.receive_header())
        except (OSError, EOFError, ValueError):
            channel.close()
            return None
        worker = _Worker(pid, channel)
        with self._lock:
            self._live[pid] = worker
        if not self._open:  # the pool was closed meanwhile
            self._end(worker)
            return None
        return worker

    def _bury(self, worker: _Worker) -> str | None:
        """Remove a process that died by itself, and return the signal that ended it."""
        signal_name = self._end(worker)
        self._on_death(signal_name or "exit")
        return signal_name

    def _end(self, worker: _Worker) -> str | None:
        with self._lock:
            known = self._live.pop(worker.pid, None)
        if known is None:
            return None
        signal_name = self._server.end(worker.pid)
        worker.channel.close()
        return signal_name


def _problem(message: dict[str, Any]) -> Problem:
    """The problem that a process reported; MediaInvalid for a code that no file can cause."""
    kinds = {kind.code: kind for kind in all_problems() if kind.status in (413, 415, 422)}
    kind = kinds.get(str(message.get("code")), MediaInvalid)
    detail, pointer = message.get("detail"), message.get("pointer")
    if not isinstance(detail, str):
        detail = None
    if pointer not in POINTERS:
        pointer = None
    return kind(detail[:MAX_DETAIL_CHARACTERS] if detail else None, pointer=pointer)
