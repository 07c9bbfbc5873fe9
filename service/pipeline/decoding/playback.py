"""A callback turned into an iterator: a producer runs in a thread, and its items are taken one by one."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

LOOK_S = 0.1
"""Interval at which a waiting thread checks whether the other side has gone."""


class PlaybackClosedError(Exception):
    """The consumer has closed the playback."""


class Playback(Generic[Item, Outcome]):
    """Runs ``play`` in its own thread, at most ``ahead`` items ahead of :meth:`next`.

    Args:
        play: called with a function that takes each item; returns the outcome. That function raises
            ``PlaybackClosedError`` after :meth:`close`.
        ahead: items that may wait.
        name: name of the thread.
    """

    def __init__(self, play: Callable[[Callable[[Item], None]], Outcome], *, ahead: int, name: str) -> None:
        self._play = play
        self._items: queue.Queue[Item] = queue.Queue(ahead)
        self._closed = threading.Event()
        self._ended = threading.Event()
        self._failure: Exception | None = None
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def next(self) -> Item | None:
        """Wait for the next item; None after the last.

        Raises:
            Exception: raised by ``play``.
        """
        while True:
            ended = self._ended.is_set()
            try:
                return self._items.get(timeout=0 if ended else LOOK_S)
            except queue.Empty:
                if not ended:
                    continue
            if self._failure is not None:
                raise self._failure
            return None

    @property
    def outcome(self) -> Outcome:
        """The value that ``play`` returned; valid after the last item."""
        assert self._outcome is not None
        return self._outcome

    def close(self) -> None:
        """End ``play`` at its next item, and wait for it."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._outcome = self._play(self._put)
        except Exception as failure:
            self._failure = failure
        finally:
            self._ended.set()

    def _put(self, item: Item) -> None:
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=LOOK_S)
            except queue.Full:
                continue
            return
        raise PlaybackClosedError
