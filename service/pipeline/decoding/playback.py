"""Something that calls back, turned round: its items are taken one by one, while it waits for whoever takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

LOOK_S = 0.1
"""How often a waiting thread looks whether the other side has gone."""


class PlaybackClosedError(Exception):
    """Nobody takes the items any more."""


class Playback(Generic[Item, Outcome]):
    """Runs ``play`` in a thread of its own, a few items ahead of whoever calls :meth:`next`.

    Args:
        play: called with a function that takes each item; what it returns is the outcome. The function raises
            ``PlaybackClosedError`` after :meth:`close`.
        ahead: items that may wait.
        name: the thread's.
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
        """The next item; None when there are no more.

        Raises:
            Exception: whatever ``play`` raised.
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
        """What ``play`` returned; to be asked for after the last item."""
        assert self._outcome is not None
        return self._outcome

    def close(self) -> None:
        """Let ``play`` end at its next item, and wait for it."""
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
