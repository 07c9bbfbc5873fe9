"""The work pool and the memory for uploads."""

import asyncio
import threading

import pytest

from service.http.work_pool import ClientGoneError, UploadMemory, WorkPool
from service.pipeline.device.task import Work
from service.problems import CapacityExceeded, DeadlineExceeded
from tests.support.clock import Clock
from tests.support.patience import HANG_S


async def never() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    return


def test_result_and_error_come_back() -> None:
    pool = WorkPool(1)

    async def scenario() -> None:
        assert await pool.run(lambda _: 7, deadline_s=5, client_gone=never()) == 7
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda _: 1 // 0, deadline_s=5, client_gone=never())

    asyncio.run(scenario())
    pool.close()


def test_work_that_nobody_waits_for_is_skipped_unless_it_has_begun() -> None:
    pool, gate, begun = WorkPool(1), threading.Event(), threading.Event()
    done: list[str] = []

    def blocking(work: Work) -> None:
        begun.set()
        gate.wait(HANG_S)
        done.append("blocking, abandoned" if work.cancel is not None and work.cancel.is_set() else "blocking")

    async def scenario() -> None:
        first = asyncio.create_task(pool.run(blocking, deadline_s=0.05, client_gone=never()))
        await asyncio.to_thread(begun.wait, 5)
        with pytest.raises(ClientGoneError):
            await pool.run(lambda _: done.append("gone"), deadline_s=5, client_gone=at_once())
        with pytest.raises(DeadlineExceeded):
            await pool.run(lambda _: done.append("late"), deadline_s=0.01, client_gone=never())
        with pytest.raises(DeadlineExceeded):
            await first
        assert pool.unfinished == 1  # the thread is still taken
        gate.set()
        assert await pool.run(lambda _: "next", deadline_s=5, client_gone=never()) == "next"

    asyncio.run(scenario())
    pool.close()
    assert done == ["blocking, abandoned"]
    assert pool.unfinished == 0


def test_moments_of_work_do_not_wait_for_minutes_of_the_same_account() -> None:
    pool, gate = WorkPool(1), threading.Event()

    def blocking(_work: Work) -> None:
        assert gate.wait(HANG_S)

    async def play() -> None:
        long = [
            asyncio.create_task(pool.run(blocking, deadline_s=10, client_gone=never(), is_long=True)) for _ in range(9)
        ]
        await asyncio.sleep(0)
        assert pool.unfinished == 9
        assert await pool.run(lambda _: "at once", deadline_s=5, client_gone=never()) == "at once"
        gate.set()
        await asyncio.gather(*long)

    asyncio.run(play())
    pool.close()


def test_upload_memory_is_bounded_and_given_back() -> None:
    memory = UploadMemory(max_uploads=2, max_bytes=10)
    with memory.hold() as first, memory.hold() as second:
        first.add(6)
        with pytest.raises(CapacityExceeded):
            second.add(5)
        second.add(4)
        with pytest.raises(CapacityExceeded), memory.hold():
            pytest.fail("a third upload was admitted")
    assert (memory.uploads, memory.held_bytes) == (0, 0)


def test_retry_after_follows_how_fast_uploads_leave() -> None:
    clock = Clock()
    memory = UploadMemory(1, 1000, clock)
    with memory.hold(), pytest.raises(CapacityExceeded) as caught, memory.hold():
        pass
    assert caught.value.retry_after_s == 1.0  # nothing is known yet
    for _ in range(5):
        with memory.hold():
            clock.now += 8.0
    with memory.hold() as held:
        with pytest.raises(CapacityExceeded) as caught, memory.hold():
            pass
        assert caught.value.retry_after_s == pytest.approx(8.0, rel=0.3)
        with pytest.raises(CapacityExceeded):
            held.add(2000)


def test_retry_after_follows_how_fast_bytes_leave() -> None:
    clock = Clock()
    memory = UploadMemory(10, 1000, clock)
    for _ in range(5):
        with memory.hold() as held:
            held.add(500)
            clock.now += 10.0  # 50 bytes a second
    with memory.hold() as held:
        held.add(800)
        with memory.hold() as other, pytest.raises(CapacityExceeded) as caught:
            other.add(500)
    assert caught.value.retry_after_s == pytest.approx(300 / 50, rel=0.3)
