"""Blocking work beside the event loop: a bounded pool of threads, and bounded memory for uploads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from service.problems import CapacityExceeded, DeadlineExceeded

RETRY_AFTER_S = 1.0

Result = TypeVar("Result")


class ClientGoneError(Exception):
    """The client closed the connection; nobody waits for an answer."""


class WorkPool:
    """Runs blocking functions in at most ``threads`` threads.

    Work that nobody waits for any more (client gone, deadline over) is dropped if it has not begun. Work that
    has begun is told, and keeps its thread until it returns, so that the number of threads is a true bound.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="work")
        self._changed = threading.Condition()
        self._unfinished = 0

    @property
    def unfinished(self) -> int:
        """Pieces of work that wait or run."""
        return self._unfinished

    async def run(
        self,
        function: Callable[[threading.Event], Result],
        *,
        deadline_s: float,
        client_gone: Coroutine[Any, Any, None],
    ) -> Result:
        """Run ``function`` in a thread and wait for it.

        Args:
            function: the work; its argument is set when nobody waits any more.
            deadline_s: seconds from now after which nobody waits any more.
            client_gone: returns when the client has closed the connection.

        Raises:
            ClientGoneError: ``client_gone`` returned first.
            DeadlineExceeded: the deadline passed first.
        """
        abandoned = threading.Event()
        work = self._submit(lambda: function(abandoned))
        waiting: asyncio.Future[Result] = asyncio.wrap_future(work)
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
        self._executor.shutdown(wait=False, cancel_futures=True)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing waits or runs; False when ``timeout_s`` passed before."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unfinished == 0, timeout_s)

    def _submit(self, function: Callable[[], Result]) -> Future[Result]:
        with self._changed:
            self._unfinished += 1
        work = self._executor.submit(function)
        work.add_done_callback(self._finished)
        return work

    def _finished(self, _work: Future[Any]) -> None:
        with self._changed:
            self._unfinished -= 1
            self._changed.notify_all()


class HeldUpload:
    """The bytes that one upload holds."""

    def __init__(self, memory: UploadMemory) -> None:
        self._memory = memory
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        """Account for ``size_bytes`` more.

        Raises:
            CapacityExceeded: all uploads together would hold more than the limit.
        """
        self._memory.take(size_bytes)
        self.size_bytes += size_bytes


class UploadMemory:
    """How many uploads are in hand and how many bytes they hold. Used on the event loop only."""

    def __init__(self, max_uploads: int, max_bytes: int) -> None:
        self._max_uploads = max_uploads
        self._max_bytes = max_bytes
        self.uploads = 0
        self.held_bytes = 0

    @contextmanager
    def hold(self) -> Iterator[HeldUpload]:
        """Admit one upload for the length of a ``with`` block.

        Raises:
            CapacityExceeded: too many are in hand.
        """
        if self.uploads >= self._max_uploads:
            raise CapacityExceeded(retry_after_s=RETRY_AFTER_S)
        self.uploads += 1
        held = HeldUpload(self)
        try:
            yield held
        finally:
            self.uploads -= 1
            self.held_bytes -= held.size_bytes

    def take(self, size_bytes: int) -> None:
        """See :meth:`HeldUpload.add`."""
        if self.held_bytes + size_bytes > self._max_bytes:
            raise CapacityExceeded(retry_after_s=RETRY_AFTER_S)
        self.held_bytes += size_bytes
