"""A worker thread behind a short queue: it handles items in order while the thread that puts them goes on."""

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class Relay(Generic[Item]):
    """Handles items in a thread of its own, from ``with`` on; leaving it waits for the thread to end.

    A ``with`` block that ends without an exception has handled every item, or raises the handler's exception. One
    that ends with an exception drops the items that wait. ``handle`` must end by itself, at a deadline for instance.

    Args:
        handle: called with the next items, ``batch`` of them except at the end. After it has raised, it is not
            called again.
        capacity: items that may wait, at least ``batch``; who puts one more has to wait.
        batch: items that are handled together.
        name: the thread's.
    """

    def __init__(self, handle: Callable[[list[Item]], None], *, capacity: int, batch: int = 1, name: str) -> None:
        if not 0 < batch <= capacity:
            raise ValueError("the queue is shorter than a batch")
        self._handle = handle
        self._capacity = capacity
        self._batch = batch
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._ended = False
        self._failure: Exception | None = None
        context = contextvars.copy_context()  # the work is done on the account of whoever puts it
        self._thread = threading.Thread(target=lambda: context.run(self._serve), name=name, daemon=True)

    def put(self, item: Item) -> None:
        """Hand over an item; blocks while the queue is full.

        Raises:
            Exception: whatever the handler raised on earlier items.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self._failure is not None)
            if self._failure is not None:
                raise self._failure
            self._waiting.append(item)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            if error is not None:
                self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()
        if error is None and self._failure is not None:
            raise self._failure

    def _serve(self) -> None:
        while items := self._next():
            try:
                self._handle(items)
            except Exception as failure:  # raised where the items come from
                with self._changed:
                    self._failure = failure
                    self._waiting.clear()
                    self._changed.notify_all()
                return
            del items  # no picture outlives its turn

    def _next(self) -> list[Item]:
        """The next batch; nothing means the end."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) >= self._batch or self._ended)
            items = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            self._changed.notify_all()
            return items
