"""Resampling by stretches gives what the whole gives, wherever it is cut and whenever it is written down."""

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.speech.resampling import HeldSamples, StretchResampler, resampled_length
from tests.support.long_recordings import pieces

RATES_HZ = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000])


@given(
    from_hz=RATES_HZ,
    to_hz=RATES_HZ,
    samples=st.integers(0, 40_000),
    cuts=st.lists(st.integers(0, 40_000), max_size=10),
    seed=st.integers(0, 99),
)
def test_stretches_give_what_the_whole_gives(from_hz, to_hz, samples, cuts, seed):
    signal = np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)
    resampler = StretchResampler(from_hz, to_hz)
    found = []
    for piece in pieces(samples, cuts):
        found.append(resampler.take(signal[piece], last=False))
        state, resampler = resampler.state(), StretchResampler(from_hz, to_hz)
        resampler.restore(state)
    found.append(resampler.take(signal[:0], last=True))
    whole = soxr.resample(signal, from_hz, to_hz)
    joined = np.concatenate(found)
    assert len(joined) == len(whole) == resampled_length(samples, from_hz, to_hz)
    np.testing.assert_allclose(joined, whole, atol=3e-6)


def test_one_piece_is_resampled_in_one_piece():
    signal = np.random.default_rng(1).uniform(-1, 1, 100_000).astype(np.float32)
    found = StretchResampler(44_100, 16_000).take(signal, last=True)
    np.testing.assert_array_equal(found, soxr.resample(signal, 44_100, 16_000))


@pytest.mark.parametrize(("rate_hz", "lag_s"), [(16_000, 0.0), (8_000, 0.06), (44_100, 0.061)])
def test_what_is_known_lags_little_and_little_is_kept(rate_hz, lag_s):
    resampler = StretchResampler(rate_hz, 16_000)
    given_s = known = 0
    for _ in range(50):
        known += len(resampler.take(np.zeros(rate_hz // 50, np.float32), last=False))
        given_s += 0.02
        assert given_s - known / 16_000 <= lag_s + 1e-6
    assert len(resampler.state()["held"]["samples"]) <= 2.2 * lag_s * rate_hz


def test_held_samples_are_found_by_their_place():
    held = HeldSamples()
    held.append(np.arange(5, dtype=np.float32))
    held.append(np.arange(5, 8, dtype=np.float32))
    part = held.part(2, 6)
    held.forget(4)
    held.forget(1)
    assert (held.base, held.end) == (4, 8)
    assert held.part(4, 99).tolist() == [4, 5, 6, 7]
    assert part.tolist() == [2, 3, 4, 5]
    held.forget(99)
    assert (held.base, held.end) == (8, 8)
