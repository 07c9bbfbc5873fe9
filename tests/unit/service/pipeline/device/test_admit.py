"""Admission counts seconds of media, refuses at once, and says honestly when to come back."""

import threading

import pytest

from service.pipeline.device.account import SHARE_OF_ONE, Unlimited, charged_to
from service.pipeline.device.admit import PATIENT_SHARE, Admission, estimate_s
from service.pipeline.device.rate import LONGEST_RETRY_S, DecayingRate
from service.pipeline.device.task import Cancelled
from service.problems import CapacityExceeded, Draining
from tests.plain_wav import tone, wav
from tests.support.clock import Clock
from tests.support.patience import HANG_S, wait_until


def test_capacity_is_exact_and_given_back():
    admission = Admission(10.0)
    with admission.hold(6.0), charged_to(Unlimited("another")), admission.hold(4.0):
        assert admission.held_s == 10.0
        assert admission.requests == 2
        with pytest.raises(CapacityExceeded), admission.hold(0.1):
            pass
        with pytest.raises(CapacityExceeded):
            admission.check()
    assert admission.held_s == 0.0
    admission.check()


def test_capacity_is_given_back_after_an_error():
    admission = Admission(10.0)
    with pytest.raises(ValueError, match="work"), admission.hold(6.0):
        raise ValueError("work")
    assert admission.held_s == 0.0


def test_a_recording_longer_than_the_capacity_runs_alone():
    admission = Admission(10.0)
    with admission.hold(50.0), pytest.raises(CapacityExceeded), admission.hold(1.0):
        pass
    with admission.hold(1.0) as hold:
        hold.resize(50.0)
        assert admission.held_s == 50.0


def test_resize_replaces_the_estimate_and_refuses_what_does_not_fit():
    admission = Admission(10.0)
    with admission.hold(1.0) as first, charged_to(Unlimited("another")), admission.hold(5.0) as second:
        first.resize(5.0)
        assert admission.held_s == 10.0
        with pytest.raises(CapacityExceeded):
            second.resize(5.1)
        assert admission.held_s == 10.0
        second.resize(2.0)
        assert admission.held_s == 7.0
    assert admission.held_s == 0.0


def test_retry_after_follows_the_rate_of_finished_work():
    clock = Clock()
    admission = Admission(100.0, clock)
    with admission.hold(40.0):
        clock.now += 4.0
    clock.now += 1000.0  # idle time is no evidence of slowness
    with admission.hold(90.0), pytest.raises(CapacityExceeded) as caught:
        admission._admit(30.0, Unlimited())
    over_s = 90.0 + 30.0 - SHARE_OF_ONE * 100.0
    assert caught.value.retry_after_s == pytest.approx(over_s / 10.0, rel=0.1)


def test_the_rate_is_that_of_the_last_half_minute_of_work():
    clock = Clock()
    rate = DecayingRate(clock)

    def work(units_per_s: float, seconds: int) -> float:
        for _ in range(seconds):
            clock.now += 1.0
            rate.pass_time(busy=True)
            rate.add(units_per_s)
        return rate.per_second()

    assert rate.per_second() == 0.0
    assert work(10.0, 1) == pytest.approx(10.0, rel=0.05)
    assert work(10.0, 300) == pytest.approx(10.0, rel=0.05)
    assert work(2.0, 21) == pytest.approx(6.0, rel=0.05)  # half of what counts is new after 30 s · ln 2
    assert work(2.0, 150) == pytest.approx(2.0, rel=0.05)
    before = rate.per_second()
    clock.now += 1000.0
    rate.pass_time(busy=False)
    assert rate.per_second() == before


def test_retry_after_grows_while_the_work_under_way_does_not_finish():
    clock = Clock()
    admission = Admission(100.0, clock)
    with admission.hold(40.0):
        clock.now += 4.0
    waits = []
    with admission.hold(90.0):
        for _ in range(3):
            with pytest.raises(CapacityExceeded) as caught:
                admission._admit(30.0, Unlimited())
            waits.append(caught.value.retry_after_s)
            clock.now += 20.0
    assert waits[0] < waits[1] < waits[2]


def test_retry_after_before_anything_finished_is_bounded():
    admission = Admission(10.0)
    with admission.hold(10.0), pytest.raises(CapacityExceeded) as caught:
        admission._admit(5.0, Unlimited())
    assert caught.value.retry_after_s == LONGEST_RETRY_S


def test_draining_refuses_new_work_and_waits_for_the_old():
    admission = Admission(10.0)
    with admission.hold(1.0) as hold:
        admission.drain()
        with pytest.raises(Draining), admission.hold(1.0):
            pass
        hold.resize(2.0)
        assert not admission.wait_idle(0.01)
    assert admission.wait_idle(0.0)


def test_never_over_capacity_under_a_burst():
    admission = Admission(8.0)
    gate = threading.Barrier(32)
    outcomes: list[str] = []
    highest: list[float] = []

    def visit(name: str) -> None:
        gate.wait()
        try:
            with charged_to(Unlimited(name)), admission.hold(1.0):
                highest.append(admission.held_s)
                release.wait(HANG_S)
            outcomes.append("served")
        except CapacityExceeded:
            outcomes.append("refused")
            if outcomes.count("refused") == 24:
                release.set()

    release = threading.Event()
    threads = [threading.Thread(target=visit, args=(str(number),)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("served") == 8
    assert outcomes.count("refused") == 24
    assert max(highest) <= 8.0
    assert admission.held_s == 0.0


def test_nobody_takes_all_of_the_capacity_from_others() -> None:
    admission = Admission(80.0)
    with admission.hold(40.0) as first, admission.hold(SHARE_OF_ONE * 80 - 40):
        with pytest.raises(CapacityExceeded), admission.hold(1.0):
            pass
        with pytest.raises(CapacityExceeded):
            first.resize(41.0)
        with charged_to(Unlimited("another")), admission.hold(1.0) as other:
            other.resize(9.0)
    with admission.hold(SHARE_OF_ONE * 80):
        assert admission.requests == 1  # nothing of the former is counted any more


def with_byte_rate(bytes_per_s: int) -> bytes:
    recording = bytearray(wav(tone(10.0)))
    recording[28:32] = bytes_per_s.to_bytes(4, "little")
    return bytes(recording)


@pytest.mark.parametrize(
    ("recording", "seconds"),
    [
        (wav(tone(10.0)), 10.0),
        (wav(tone(10.0, 48_000), tone(10.0, 48_000), rate_hz=48_000), 10.0),
        (with_byte_rate(64_000), 5.0),
        (with_byte_rate(0), 20.0),
        (with_byte_rate(2**32 - 1), 20.0),
        (bytes(160_000), 10.0),
        (b"RIFF", 4 / 16_000),
        (b"", 0.0),
    ],
    ids=["wav", "stereo", "a lie", "rate 0", "impossible", "no wav", "cut", "empty"],
)
def test_the_length_is_estimated_from_what_a_header_tells(recording: bytes, seconds: float):
    assert estimate_s(recording) == pytest.approx(seconds, rel=0.01)


def test_work_that_can_wait_gets_room_though_requests_keep_coming() -> None:
    admission, never = Admission(100.0), threading.Event()
    held: list[float] = []

    def wait() -> None:
        with admission.hold_in_turn(1000.0, never):
            held.append(admission.held_s)

    with admission.hold(50.0):
        with admission.hold(30.0):
            job = threading.Thread(target=wait)
            job.start()
            wait_until(lambda: admission._reserved_s == PATIENT_SHARE * 100)
            with pytest.raises(CapacityExceeded), admission.hold(10.0):
                pass  # would fit, but for whoever waits
        job.join()
        assert held == [75.0]
        assert admission._reserved_s == 0
        with admission.hold(30.0):
            pass


def test_requests_find_room_beside_it() -> None:
    admission = Admission(100.0)
    with admission.hold_in_turn(300.0, threading.Event()), admission.hold(75.0):
        assert admission.held_s == 100.0


def test_waiting_for_room_ends_with_the_job_or_the_service() -> None:
    admission, cancel = Admission(100.0), threading.Event()
    cancel.set()
    with admission.hold(100.0):
        with pytest.raises(Cancelled), admission.hold_in_turn(10.0, cancel):
            pass
        admission.drain()
        with pytest.raises(Draining), admission.hold_in_turn(10.0, threading.Event()):
            pass
    assert (admission.requests, admission._reserved_s) == (0, 0)
