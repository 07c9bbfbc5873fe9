"""The high-pass before voice activity, against SciPy's filters."""

import numpy as np
import pytest
from scipy import signal

from service.pipeline.speech.high_pass import HighPass


@pytest.mark.parametrize(("rate_hz", "step", "corner_hz"), [(16000, 512, 75.0), (8000, 256, 75.0), (48000, 480, 120.0)])
def test_a_recording_is_filtered_as_scipy_filters_it(rate_hz: int, step: int, corner_hz: float) -> None:
    samples = np.random.default_rng(0).normal(0.3, 0.1, 60 * step).astype(np.float32)
    sections = signal.butter(4, corner_hz, "high", fs=rate_hz, output="sos")
    at_rest = signal.sosfilt_zi(sections) * samples[0]
    expected, _ = signal.sosfilt(sections, samples, zi=at_rest)
    found = HighPass(rate_hz, step, corner_hz).take(samples.reshape(-1, step))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.ravel(), expected, atol=2e-6)


def test_a_filter_rings_on_through_steps_of_silence() -> None:
    high_pass, steps = HighPass(16000, 512, 75.0), np.zeros((4, 512), np.float32)
    steps[0, -1] = 1.0
    found = high_pass.take(steps)
    assert np.abs(found[1]).max() > 1e-3
    assert 0.0 < np.abs(found[3]).max() < 1e-5


def test_two_recordings_do_not_share_what_rings_on() -> None:
    loud, quiet = HighPass(16000, 512, 75.0), HighPass(16000, 512, 75.0)
    noise = np.random.default_rng(1).normal(0, 1, (3, 512)).astype(np.float32)
    loud.take(noise)
    np.testing.assert_array_equal(quiet.take(np.zeros((3, 512), np.float32)), 0.0)
