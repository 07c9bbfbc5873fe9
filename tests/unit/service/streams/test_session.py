"""Buffers of one stream: bounds of what waits, of what was answered, and its account."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import pytest

from service.pipeline.device.account import charged_to
from service.pipeline.device.task import Work
from service.problems import SessionNotFound, StreamTooFast
from service.schemas.streams import ServerMessage
from service.settings import Limits
from service.streams import session as session_module
from service.streams.analyser import Item
from service.streams.session import PENDING_MESSAGES, StreamSession

LIMITS = Limits(max_message_bytes=1000, stream_buffer_s=10.0, stream_held_back_s=0.05)


class Told(ServerMessage):
    type: Literal["told"] = "told"
    number: int


class CountingAnalyser:
    """Answers every item with its content."""

    unit_name = "received_samples"
    answer = None

    def read(self, message: bytes) -> Item:
        return Item(len(message), len(message) / 100, 1, len(message))

    def process(self, items: Sequence[Item], work: object) -> list[ServerMessage]:
        return [Told(number=item.content) for item in items]

    def finish(self, work: object) -> list[ServerMessage]:
        return [Told(number=0)]


class HereAndNow:
    """Does the work on the event loop, once its gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.done = 0

    async def run(
        self, function: Callable[[Work], Any], *, deadline_s: float, client_gone: Coroutine[Any, Any, None]
    ) -> Any:
        client_gone.close()
        await self.gate.wait()
        self.done += 1
        return function(Work.within(deadline_s))


class Purse:
    """An account that knows what it has in the system."""

    name = "somebody"

    def __init__(self) -> None:
        self.taken: list[float] = []

    def take(self, seconds: float) -> None:
        self.taken.append(seconds)

    def give_back(self, seconds: float, *, unused: bool = False) -> None:
        self.taken.append(-seconds)


def converse(scenario: Callable[[StreamSession, HereAndNow], Coroutine[Any, Any, None]]) -> list[str]:
    """Run ``scenario`` with a session; returns the resources that were given back."""
    given_back: list[str] = []

    async def run() -> None:
        resources, work = ExitStack(), HereAndNow()
        resources.callback(given_back.append, "all")
        session = StreamSession(CountingAnalyser(), "owner", work, LIMITS, resources)  # type: ignore[arg-type]
        try:
            await scenario(session, work)
            assert given_back == []
        finally:
            await session.close()

    asyncio.run(run())
    return given_back


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(50):
        await asyncio.sleep(0)


def item(size_bytes: int = 1, seconds: float = 0.0) -> Item:
    return Item(size_bytes, seconds, 1, size_bytes)


@pytest.mark.parametrize(
    ("one", "fitting"), [(item(1000), PENDING_MESSAGES), (item(1, 2.5), 4)], ids=["bytes", "seconds"]
)
def test_what_waits_is_bounded(one: Item, fitting: int) -> None:
    async def scenario(session: StreamSession, work: HereAndNow) -> None:
        work.gate.clear()
        await session.put(one)
        await settle()  # this one is being analysed
        for _ in range(fitting):
            await session.put(one)
        with pytest.raises(StreamTooFast):
            await session.put(one)
        work.gate.set()
        await settle()
        assert session.answers == session.received_units == 1 + fitting

    assert converse(scenario) == ["all"]


def test_nothing_is_analysed_for_a_client_that_takes_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "KEPT_ANSWERS", 2)

    async def scenario(session: StreamSession, work: HereAndNow) -> None:
        for _ in range(5):
            await session.put(item())
            await settle()
        assert (work.done, session.answers) == (2, 2)
        await session.next_answer()
        await settle()
        assert (work.done, session.answers) == (3, 5)

    converse(scenario)


def test_answers_are_kept_for_a_client_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "KEPT_ANSWERS", 2)

    async def scenario(session: StreamSession, work: HereAndNow) -> None:
        given = []
        for number in range(1, 6):
            await session.put(item(number))
            given.append(await session.next_answer())
        for received in (0, 2, 6, -1):
            with pytest.raises(SessionNotFound):
                session.rewind(received)
        session.rewind(3)
        assert [session.take_answer(), session.take_answer(), session.take_answer()] == [*given[3:], None]

    converse(scenario)


def test_its_account_gets_back_what_each_piece_took() -> None:
    purse = Purse()

    async def scenario(session: StreamSession, work: HereAndNow) -> None:
        for seconds in (1.5, 2.0):
            await session.put(item(1, seconds))
            await settle()
        await session.end()
        assert [await session.next_answer() for _ in range(4)][-1] is None
        assert session.closed("end").duration_s == 3.5

    with charged_to(purse):
        converse(scenario)
    assert [seconds for seconds in purse.taken if seconds] == [1.5, -1.5, 2.0, -2.0]
