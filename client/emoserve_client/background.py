"""One interface to work that runs beside the caller: a task for asynchronous streams, a thread for blocking ones."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

Event = threading.Event


class AsyncEvent:
    """:class:`threading.Event` for tasks: ``asyncio.Event.wait`` takes no time limit."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Set the event and wake all who wait for it."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the event is set."""
        return self._event.is_set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s`` seconds; returns whether the event is set."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)
        return self._event.is_set()


class AsyncBackground:
    """Runs ``work`` as a task."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the work."""
        self._task = asyncio.create_task(self._work())

    def cancel(self) -> None:
        """Cancel the work at the point where it waits."""
        if self._task is not None:
            self._task.cancel()

    async def join(self) -> None:
        """Wait until the work has ended; returns at once if it never began."""
        if self._task is not None:
            await asyncio.wait([self._task])


class Background:
    """Runs ``work`` in a daemon thread."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, name="emoserve-stream", daemon=True)

    def start(self) -> None:
        """Begin the work."""
        self._thread.start()

    def cancel(self) -> None:
        """Do nothing: a thread cannot be cancelled, and ends when the connection that it reads is closed."""

    def join(self) -> None:
        """Wait until the work has ended; returns at once if it never began."""
        if self._thread.ident is not None:
            self._thread.join()
