"""Decoded sound is bounded: what requests hold together, and what the worst files cost."""

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.sample_buffer import PIECE_BYTES, DecodedBudget, SampleBuffer
from service.problems import CapacityExceeded, DeadlineExceeded, MediaTooLong
from service.settings import Limits
from tests import media_files as files
from tests.support.patience import HANG_S

ROOT = Path(__file__).resolve().parents[5]
MIB = 1024 * 1024


class Payload:
    """A decoder process that sends one value over and over."""

    def __init__(self, value):
        self._value = np.float32(value).tobytes()

    def receive_into(self, target):
        target[:] = self._value * (len(target) // 4)


def filled(buffer, channels, samples, value=1.0):
    buffer.receive({"type": "samples", "channels": channels, "samples": samples}, Payload(value))


def test_blocks_are_put_one_behind_the_other():
    buffer = SampleBuffer(2, 1_000_000)
    filled(buffer, 2, 3, 0.25)
    filled(buffer, 2, 2, 0.5)
    np.testing.assert_array_equal(buffer.finish(), [[0.25] * 3 + [0.5] * 2] * 2)


def test_the_budget_is_shared_and_given_back_with_the_last_array():
    budget = DecodedBudget(4 * PIECE_BYTES)
    first, second = SampleBuffer(1, 10_000_000, budget), SampleBuffer(1, 10_000_000, budget)
    filled(first, 1, 3 * PIECE_BYTES // 4)
    with pytest.raises(CapacityExceeded) as caught:
        filled(second, 1, 2 * PIECE_BYTES // 4)
    assert caught.value.retry_after_s
    kept = first.finish()[0, 10:20]
    del first
    gc.collect()
    assert budget.used_bytes == 3 * PIECE_BYTES
    del kept
    gc.collect()
    assert budget.used_bytes == 0
    filled(second, 1, 2 * PIECE_BYTES // 4)


def test_a_recording_that_no_budget_holds_is_too_long_and_pointed_to_jobs():
    buffer = SampleBuffer(1, 10_000_000, DecodedBudget(PIECE_BYTES))
    with pytest.raises(MediaTooLong) as caught:
        filled(buffer, 1, PIECE_BYTES // 4 + 1)
    assert "/v1/jobs/audio-emotion" in caught.value.detail


def test_a_budget_that_is_spent_is_free_again_after_failures():
    limits = Limits(max_decoded_bytes=PIECE_BYTES)
    decoder = Decoder(limits, 1)
    decoder.start()
    try:
        long = files.wav(np.zeros((1, 16_000 * 80), np.float32))
        for _ in range(3):
            with pytest.raises(MediaTooLong):
                decoder.audio(long, target_rate_hz=16_000)
            gc.collect()
            assert decoder.budget.used_bytes == 0
        assert decoder.audio(files.wav(files.tone(1.0)), target_rate_hz=16_000).samples.shape == (1, 16_000)
    finally:
        decoder.close()


def test_recordings_that_do_not_fit_beside_each_other_are_decoded_in_turn():
    large = files.flac_of_one_value(60, 48_000, 8)  # 30 MB each
    with ThreadPoolExecutor(6) as pool:
        decoder = Decoder(Limits(max_decoded_bytes=48 * MIB, deadline_s=10 * HANG_S), 2)
        decoder.start()
        try:
            shapes = list(pool.map(lambda _: decoder.audio(large, target_rate_hz=16_000).samples.shape, range(6)))
        finally:
            decoder.close()
    assert {channels for channels, _ in shapes} == {8}
    assert decoder.budget.used_bytes == 0


def test_decoding_is_limited_in_processor_time():
    decoder = Decoder(Limits(decode_timeout_s=1.0), 1)
    decoder.start()
    try:
        with pytest.raises(DeadlineExceeded, match="too long to decode"):
            decoder.audio(files.flac_of_one_value(3300, 192_000, 8), target_rate_hz=16_000, channel="mix")
    finally:
        decoder.close()


PROGRAM = """
import resource, sys, threading
from service.pipeline.decoding.decode import Decoder
from service.settings import Limits
from tests import media_files as files
seconds, channels, rate_hz, at_once = map(int, sys.argv[1:])
data = files.flac_of_one_value(seconds, rate_hz, channels)
decoder = Decoder(Limits(decode_timeout_s=300.0), at_once)
decoder.start()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
held = []
def decode():
    held.append(decoder.audio(data, target_rate_hz=16_000, channel="mix"))
threads = [threading.Thread(target=decode) for _ in range(at_once)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(held) == at_once and all(one.samples.shape[1] > (seconds - 10) * 16_000 for one in held)
peaks = []
for pid in decoder.worker_pids():
    status = open(f"/proc/{pid}/status").read()
    peaks.append(int(status.split("VmHWM:")[1].split()[0]))
print(len(data), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, max(peaks))
decoder.close()
"""


@pytest.mark.parametrize(("seconds", "channels", "rate_hz", "at_once"), [(240, 8, 192_000, 1), (3300, 1, 16_000, 2)])
def test_decompression_bombs_cost_what_their_mix_costs(seconds, channels, rate_hz, at_once):
    """Gigabytes in kilobytes: the service holds one channel at the model's rate, the decoder a few blocks."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, (seconds, channels, rate_hz, at_once))],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    size, service_kib, decoder_kib = map(int, ran.stdout.split())
    assert size < 400_000
    assert service_kib / 1024 < at_once * seconds * 16_000 * 4 / MIB + 24
    assert decoder_kib / 1024 < 160
