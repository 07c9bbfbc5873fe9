"""Blocking work beside the event loop: a bounded pool of threads, and bounded memory for uploads."""

import asyncio
import contextvars
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from service.pipeline.device.account import current_account
from service.pipeline.device.fair_round import FairRound
from service.pipeline.device.rate import LEAST_RETRY_S, DecayingRate
from service.pipeline.device.task import Work
from service.problems import CapacityExceeded, DeadlineExceeded

Result = TypeVar("Result")


class ClientGoneError(Exception):
    """The client closed the connection; nobody waits for an answer."""


OTHERS = 3
"""Spare capacity: three more accounts can run while one saturates its share."""


LONG = " (long)"
"""Suffix of an account's name for its long work; no owner's name has a space."""


class WorkPool:
    """Runs blocking functions in threads: at most ``threads`` for one account, :data:`OTHERS` more for all together.

    Work that nobody waits for any more (client gone, deadline over) is dropped if it has not begun. Work that has begun
    is cancelled and keeps its thread until it returns, so that the number of threads is a true bound. Accounts take
    turns. Long work, such as a video's, counts as another account's, so that clips do not wait for videos.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads * (1 + OTHERS), thread_name_prefix="work")
        self._changed = threading.Condition()
        self._unfinished = 0
        self._is_closed = False
        self._waiting: FairRound[_Waiting] = FairRound()
        self._running: Counter[str] = Counter()

    @property
    def unfinished(self) -> int:
        """Pieces of work that wait or run."""
        return self._unfinished

    async def run(
        self,
        function: Callable[[Work], Result],
        *,
        deadline_s: float,
        client_gone: Coroutine[Any, Any, None],
        is_long: bool = False,
    ) -> Result:
        """Run ``function`` in a thread and wait for it.

        Args:
            function: called with the request's work, which ends at the deadline and is cancelled when nobody waits.
            deadline_s: seconds from now.
            client_gone: returns when the client has closed the connection.
            is_long: whether the work may take minutes.

        Raises:
            ClientGoneError: ``client_gone`` returned first.
            DeadlineExceeded: the deadline passed first.
        """
        abandoned = threading.Event()
        party = current_account().name + (LONG if is_long else "")
        work = Work.within(deadline_s, abandoned)
        waiting: asyncio.Future[Result] = asyncio.wrap_future(self._submit(lambda: function(work), party))
        watcher = asyncio.create_task(client_gone)
        try:
            first: set[asyncio.Future[Any]] = {waiting, watcher}
            await asyncio.wait(first, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            if watcher.done():
                raise ClientGoneError
            raise DeadlineExceeded
        finally:
            abandoned.set()
            watcher.cancel()
            waiting.cancel()

    def close(self) -> None:
        """Drop what has not begun and let the threads end."""
        with self._changed:
            self._is_closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._executor.shutdown(wait=False)
        for work in waiting:
            work.future.cancel()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing waits or runs; False when ``timeout_s`` passed before."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unfinished == 0, timeout_s)

    def _submit(self, function: Callable[[], Result], party: str) -> Future[Result]:
        context = contextvars.copy_context()
        future: Future[Result] = Future()
        with self._changed:
            if self._is_closed:
                future.cancel()
                return future
            self._unfinished += 1
            self._waiting.add(party, _Waiting(party, lambda: context.run(function), future))
            future.add_done_callback(self._finished)
            self._begin_waiting()
        return future

    def _begin_waiting(self) -> None:
        """Give free threads to those whose turn it is. The lock is held."""
        while self._running.total() < self.threads * (1 + OTHERS):
            full = {party for party, count in self._running.items() if count >= self.threads}
            try:
                work = self._waiting.next(but_not=full)
            except KeyError:
                return
            self._waiting.remove(work)
            if work.future.set_running_or_notify_cancel():
                self._running[work.party] += 1
                self._executor.submit(self._do, work)

    def _do(self, work: "_Waiting") -> None:
        """A thread's part."""
        party = work.party
        try:
            result = work.function()
        except BaseException as error:
            work.future.set_exception(error)
        else:
            work.future.set_result(result)
        finally:
            del work  # an error's trace would keep it, and the upload with it
            with self._changed:
                self._running[party] -= 1
                self._running += Counter()  # forgets whom it counts no more
                self._begin_waiting()

    def _finished(self, _work: Future[Any]) -> None:
        with self._changed:
            self._unfinished -= 1
            self._changed.notify_all()


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A function that waits for a thread, whose it is, and where its result goes."""

    party: str
    function: Callable[[], Any]
    future: Future[Any]


class HeldUpload:
    """The bytes that one upload holds."""

    def __init__(self, memory: "UploadMemory", sender: str) -> None:
        self._memory = memory
        self._sender: str | None = sender
        self.size_bytes = 0

    def arrived(self) -> None:
        """All bytes are there: the upload is not its sender's to delay any more."""
        sender, self._sender = self._sender, None
        if sender is not None:
            self._memory.has_arrived(sender)

    def add(self, size_bytes: int) -> None:
        """Account for ``size_bytes`` more.

        Raises:
            CapacityExceeded: all uploads together would hold more than the limit.
        """
        self._memory.take(size_bytes)
        self.size_bytes += size_bytes


class UploadMemory:
    """Number of uploads in hand and the bytes that they hold. Used on the event loop only.

    Args:
        max_uploads, max_bytes: most of all uploads together.
        max_arriving: most uploads of one sender that arrive at once.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        max_uploads: int,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_arriving: int | None = None,
    ) -> None:
        self._max_arriving = max_arriving or max_uploads
        self._arriving: Counter[str] = Counter()
        self._max_uploads = max_uploads
        self._max_bytes = max_bytes
        self._finished_uploads = DecayingRate(clock)
        self._finished_bytes = DecayingRate(clock)
        self.uploads = 0
        self.held_bytes = 0

    @contextmanager
    def hold(self, sender: str = "") -> Iterator[HeldUpload]:
        """Admit one upload of ``sender`` for the length of a ``with`` block.

        Raises:
            CapacityExceeded: too many are in hand, or on their way from this sender; ``retry_after_s`` follows from
                how fast uploads leave.
        """
        self._pass_time()
        if self._arriving[sender] >= self._max_arriving:
            raise CapacityExceeded(
                f"{self._max_arriving} uploads of this sender are on their way.",
                retry_after_s=self._finished_uploads.retry_after_s(1, LEAST_RETRY_S),
            )
        if self.uploads >= self._max_uploads:
            excess = self.uploads + 1 - self._max_uploads
            raise CapacityExceeded(retry_after_s=self._finished_uploads.retry_after_s(excess, LEAST_RETRY_S))
        self.uploads += 1
        self._arriving[sender] += 1
        held = HeldUpload(self, sender)
        try:
            yield held
        finally:
            held.arrived()
            self._pass_time()
            self.uploads -= 1
            self.held_bytes -= held.size_bytes
            self._finished_uploads.add(1)
            self._finished_bytes.add(held.size_bytes)

    def has_arrived(self, sender: str) -> None:
        """See :meth:`HeldUpload.arrived`."""
        self._arriving[sender] -= 1
        self._arriving += Counter()  # forgets whom it counts no more

    def take(self, size_bytes: int) -> None:
        """See :meth:`HeldUpload.add`."""
        excess = self.held_bytes + size_bytes - self._max_bytes
        if excess > 0:
            self._pass_time()
            raise CapacityExceeded(retry_after_s=self._finished_bytes.retry_after_s(excess, LEAST_RETRY_S))
        self.held_bytes += size_bytes

    def _pass_time(self) -> None:
        busy = self.uploads > 0
        self._finished_uploads.pass_time(busy=busy)
        self._finished_bytes.pass_time(busy=busy)
