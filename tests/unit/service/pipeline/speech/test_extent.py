"""Silence and outline, measured in blocks, are those of the whole."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.speech.extent import OUTLINE_SLICES, SILENCE_PEAK_TO_PEAK, Extent, is_silent, joined_outline
from tests.support.long_recordings import pieces


def measured(samples: np.ndarray, rate_hz: int, cuts=()) -> Extent:
    extent = Extent(len(samples), rate_hz)
    for piece in pieces(len(samples), cuts):
        extent.add(samples[piece])
        state, extent = extent.state(), Extent(len(samples), rate_hz)
        extent.restore(state)
    return extent


@given(
    count=st.integers(1, 5000),
    cuts=st.lists(st.integers(0, 5000), max_size=8),
    rate_hz=st.sampled_from([100, 8000, 48_000]),
    size=st.sampled_from([1e-5, 0.5]),
)
def test_blocks_are_measured_as_the_whole(count, cuts, rate_hz, size):
    samples = np.random.default_rng(count).uniform(-size, size, count).astype(np.float32)
    extent = measured(samples, rate_hz, cuts)
    slices = min(count, OUTLINE_SLICES)
    edges = [row * count // slices for row in range(slices + 1)]
    parts = [samples[begin:end] for begin, end in itertools.pairwise(edges)]
    assert extent.outline.tolist() == [[part.min(), part.max()] for part in parts]
    assert extent.is_silent == is_silent(samples, rate_hz)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.zeros(2000), True),
        (np.full(2000, 0.7), True),
        (np.where(np.arange(2000) % 2, SILENCE_PEAK_TO_PEAK, 0.0), True),
        (np.where(np.arange(2000) % 2, 1.5 * SILENCE_PEAK_TO_PEAK, 0.0), False),
        (np.where(np.arange(2000) < 30, 1.0, 0.0), True),  # the edges ring
        (np.where(np.arange(2000) < 40, 1.0, 0.0), False),
        (np.where(np.arange(100) < 30, 1.0, 0.0), False),  # too short to leave out edges
    ],
)
def test_silence_is_a_constant_between_the_edges(samples, expected):
    samples = samples.astype(np.float32)
    assert is_silent(samples, 1000) is measured(samples, 1000).is_silent is expected


def test_the_outline_of_several_channels_encloses_each():
    one, other = np.array([[-1, 2], [0, 0]], np.float32), np.array([[-3, 1], [0, 5]], np.float32)
    assert joined_outline([one, other]).tolist() == [[-3, 2], [0, 5]]
