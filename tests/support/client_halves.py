"""Both halves of the client behind the blocking interface, and a network that answers by a script."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from emoserve_client import AsyncEmoserve, Emoserve

MOST_S = 60.0
HALVES = ("blocking", "asynchronous")
MakeClient = Callable[..., Any]
"""Makes a client of one half, with the arguments of :class:`Emoserve`."""


@contextlib.contextmanager
def client_of(half: str) -> Iterator[MakeClient]:
    """Give what makes clients of ``half``; those of the asynchronous half run in a loop of its own thread."""
    if half == "blocking":
        yield Emoserve
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda *arguments, **options: Awaited(AsyncEmoserve(*arguments, **options), loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(MOST_S)
    loop.close()


class Awaited:
    """An asynchronous client or stream with blocking methods; each call runs in ``loop``."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target, self._loop = target, loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        return (lambda *given, **named: self._run(value, *given, **named)) if inspect.ismethod(value) else value

    def __enter__(self) -> Awaited:
        self._run(self._target.__aenter__)
        return self

    def __exit__(self, *error: object) -> None:
        self._run(self._target.__aexit__, *error)

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(self._target)

    def _iterate(self, values: Any) -> Iterator[Any]:
        found, end = aiter(values), object()
        try:
            while (value := self._run(anext, found, end)) is not end:
                yield value
        finally:
            self._run(found.aclose)

    def _run(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        async def result() -> Any:
            value = call(*arguments, **options)
            return await value if inspect.isawaitable(value) else value

        value = asyncio.run_coroutine_threadsafe(result(), self._loop).result(MOST_S)
        if hasattr(value, "__aenter__"):
            return Awaited(value, self._loop)
        return self._iterate(value) if hasattr(value, "__aiter__") else value


class Script:
    """Answers requests in turn: with a response, or with an exception."""

    def __init__(self, *outcomes: httpx.Response | Exception) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
