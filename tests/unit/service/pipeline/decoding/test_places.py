"""Places at the decoders: owners take turns, long work gives way, and short work never waits for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from service import problems
from service.pipeline.decoding import places as places_module
from service.pipeline.decoding import pool as pool_module
from service.pipeline.decoding.places import Places
from service.pipeline.device.account import Unlimited, charged_to
from service.pipeline.device.task import Cancelled
from tests import media_files as files
from tests.support.patience import HANG_S, wait_until

NEVER = threading.Event()


class Visitors:
    """Threads that hold a place until they are told to go."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.inside: list[str] = []
        self._threads = []
        self._go: dict[str, threading.Event] = {}

    def come(self, owner: str, name: str) -> None:
        """One more, who waits or is inside when this returns."""
        self._go[name] = threading.Event()

        def visit() -> None:
            with charged_to(Unlimited(owner)), self.places.hold(HANG_S):
                self.inside.append(name)
                self._go[name].wait(HANG_S)

        waiting, inside = len(self.places._waiting), len(self.inside)
        self._threads.append(threading.Thread(target=visit))
        self._threads[-1].start()
        wait_until(lambda: len(self.places._waiting) > waiting or len(self.inside) > inside)

    def leave(self, name: str) -> None:
        """Let one go, and wait until the next is inside."""
        count = len(self.inside)
        self._go[name].set()
        wait_until(lambda: len(self.inside) > count or not len(self.places._waiting))

    def end(self) -> None:
        for event in self._go.values():
            event.set()
        for thread in self._threads:
            thread.join(HANG_S)


@pytest.fixture
def visitors():
    made = Visitors(Places(2))
    yield made
    made.end()


def test_whoever_has_fewest_places_goes_first(visitors) -> None:
    for number in range(6):
        visitors.come("heavy", f"heavy {number}")
    visitors.come("light", "light")
    visitors.come("third", "third")
    assert visitors.inside == ["heavy 0", "heavy 1"]
    visitors.leave("heavy 0")
    assert visitors.inside[2:] == ["light"]
    visitors.leave("light")
    assert visitors.inside[3:] == ["third"]
    visitors.leave("heavy 1")
    assert visitors.inside[4:] == ["heavy 2"]


def test_one_owner_can_be_kept_from_some_of_the_places() -> None:
    places = Places(4, most_each=2)
    visitors = Visitors(places)
    try:
        for number in range(4):
            visitors.come("heavy", f"heavy {number}")
        assert sorted(visitors.inside) == ["heavy 0", "heavy 1"]
        visitors.come("light", "light")
        assert "light" in visitors.inside
    finally:
        visitors.end()


def test_a_wait_ends_with_its_time_or_with_its_work() -> None:
    places, cancel = Places(1), threading.Event()
    cancel.set()
    with places.hold(HANG_S):
        with pytest.raises(problems.DecoderUnavailable), places.hold(0.01):
            pass
        with pytest.raises(Cancelled), places.hold(HANG_S, cancel):
            pass
    with places.hold(0.0):
        assert len(places._waiting) == 0


def test_long_work_gives_way_to_another_owner_and_goes_on(monkeypatch) -> None:
    monkeypatch.setattr(places_module, "SLICE_S", 0.0)
    places = Places(1)
    visitors = Visitors(places)
    with charged_to(Unlimited("heavy")), places.hold(HANG_S) as mine:
        assert mine.give_way(HANG_S, None) == 0.0  # nobody waits
        visitors.come("heavy", "mine too")
        assert mine.give_way(HANG_S, None) == 0.0  # one's own work waits
        visitors.come("light", "light")
        with ThreadPoolExecutor(1) as pool:
            gone = pool.submit(mine.give_way, HANG_S, None)
            wait_until(lambda: visitors.inside)
            assert visitors.inside == ["light"]
            assert not gone.done()
            visitors.leave("light")
            visitors.leave("mine too")
            assert gone.result(HANG_S) > 0
    visitors.end()
    assert places._held == {}


def test_a_slice_is_not_cut_short() -> None:
    places = Places(1)
    visitors = Visitors(places)
    with charged_to(Unlimited("heavy")), places.hold(HANG_S) as mine:
        visitors.come("light", "light")
        assert mine.give_way(HANG_S, None) == 0.0
        assert visitors.inside == []
    visitors.end()


# What is short, and what is long -------------------------------------------------------------------------


LONG = files.tone(20.0, 8_000)


@pytest.fixture
def long_holds(decoder, monkeypatch):
    """Pieces of long work that got a place."""
    counted, hold = [], decoder._pool._long.hold

    def count(*arguments):
        counted.append(1)
        return hold(*arguments)

    monkeypatch.setattr(decoder._pool._long, "hold", count)
    monkeypatch.setattr(pool_module, "SHORT_SAMPLES", 100_000)
    return counted


def flac_of_unknown_length(sound, rate_hz):
    """The last 36 bits of what a FLAC's header says of its sound are its length, 0 where nobody knows."""
    data = bytearray(files.flac(sound, rate_hz))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


@pytest.mark.parametrize(
    "build", [files.wav, files.flac, flac_of_unknown_length], ids=["plain", "claims its length", "claims nothing"]
)
def test_what_is_long_is_decoded_as_long_work_to_the_same_samples(decoder, long_holds, monkeypatch, build) -> None:
    data = build(LONG, 8_000)
    long = decoder.audio(data, target_rate_hz=16_000)
    assert long_holds == [1]
    monkeypatch.setattr(pool_module, "SHORT_SAMPLES", 10**9)
    short = decoder.audio(data, target_rate_hz=16_000)
    assert long_holds == [1]
    np.testing.assert_array_equal(long.samples, short.samples)
    assert long.media == short.media


def test_what_is_slow_is_long_work(decoder, long_holds, monkeypatch) -> None:
    monkeypatch.setattr(pool_module, "SHORT_TIMEOUT_S", 0.0)
    before = decoder.worker_pids()
    assert decoder.audio(files.flac(files.tone(1.0)), target_rate_hz=16_000).samples.shape == (1, 16_000)
    assert long_holds == [1]
    assert decoder.worker_pids() != before


def test_short_work_does_not_wait_for_long_work(decoder, long_holds) -> None:
    with decoder._pool._long.hold(HANG_S), decoder._pool._begun.hold(HANG_S):
        assert decoder.audio(files.wav(files.tone(1.0)), target_rate_hz=16_000).samples.shape == (1, 16_000)
        with ThreadPoolExecutor(1) as pool:
            cancel = threading.Event()
            waiting = pool.submit(lambda: decoder.audio(files.wav(LONG, 8_000), target_rate_hz=16_000, cancel=cancel))
            wait_until(lambda: len(decoder._pool._begun._waiting) or len(decoder._pool._long._waiting))
            cancel.set()
            with pytest.raises(Cancelled):
                waiting.result(HANG_S)
    assert long_holds


def test_decoding_that_nobody_waits_for_ends(decoder) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        decoder.audio(files.wav(files.tone(1.0)), target_rate_hz=16_000, cancel=cancel)
