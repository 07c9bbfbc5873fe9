"""Windowing holds its promises for any recording, window and hop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.card import SpeechInput
from service.pipeline.speech.windows import plan_windows, window_rule
from service.problems import MediaTooShort, Unprocessable
from service.settings import Limits

LIMITS = Limits()
SPEECH = SpeechInput(sample_rate_hz=16000, window_s=3.0, hop_s=1.0, min_length_s=0.5, max_length_s=10.0, preset="any")


def plan(n_samples, window_s=None, hop_s=None, speech=SPEECH, limits=LIMITS):
    return plan_windows(n_samples, speech, limits, window_s=window_s, hop_s=hop_s)


@given(n_samples=st.integers(8000, 2_000_000), window_s=st.floats(0.5, 10.0), hop_share=st.floats(0.0, 1.0))
def test_windows_cover_every_sample_and_stay_inside(n_samples, window_s, hop_share):
    hop_s = LIMITS.min_hop_s + hop_share * (window_s - LIMITS.min_hop_s)
    windows = plan(n_samples, window_s, hop_s)
    assert windows.start_samples[0] == 0
    assert windows.end_samples[-1] == n_samples
    assert (np.diff(windows.start_samples) > 0).all()
    assert (windows.start_samples[1:] <= windows.end_samples[:-1]).all()
    assert windows.length_samples == min(n_samples, round(window_s * 16000))
    assert (windows.start_samples[:-1] % round(hop_s * 16000) == 0).all()


@given(
    n_samples=st.integers(0, 500_000),
    known=st.lists(st.integers(0, 500_000), max_size=8),
    window_s=st.floats(0.5, 10.0),
    hop_s=st.floats(0.05, 1e300),
)
def test_windows_of_growing_sound_are_those_of_the_whole(n_samples, known, window_s, hop_s):
    rule = window_rule(SPEECH, LIMITS, window_s, hop_s)
    found = []
    for place in sorted(min(place, n_samples) for place in known):
        complete = rule.complete(place, len(found))
        assert (complete.end_samples <= place).all()
        found += complete.start_samples.tolist()
    found += rule.all(n_samples).after(len(found)).start_samples.tolist()
    expected = rule.plan(n_samples, Limits(max_windows=10**6)).start_samples.tolist() if n_samples >= 8000 else []
    assert found == expected


@given(n_samples=st.integers(8000, 100_000_000), hop_s=st.floats(0.05, 1e300))
def test_no_more_windows_than_the_limit(n_samples, hop_s):
    hop = max(1, round(min(hop_s * 16000, n_samples)))
    count = 1 + max(0, -(-(n_samples - 16000) // hop))
    if count > LIMITS.max_windows:
        with pytest.raises(Unprocessable, match=f"{count} windows"):
            plan(n_samples, 1.0, hop_s)
    else:
        windows = plan(n_samples, 1.0, hop_s)
        assert len(windows) == count
        assert windows.end_samples[-1] == n_samples


def test_recording_no_longer_than_a_window_is_one_window_of_its_own_length():
    for n_samples in (8000, 47_999, 48_000):
        windows = plan(n_samples)
        assert windows.start_samples.tolist() == [0]
        assert windows.length_samples == n_samples
    assert plan(48_001).start_samples.tolist() == [0, 1]


def test_times_are_seconds():
    windows = plan(16000 * 5)
    assert windows.start_s.tolist() == [0.0, 1.0, 2.0]
    assert windows.end_s.tolist() == [3.0, 4.0, 5.0]


def test_left_over_samples_get_a_window_that_ends_with_the_recording():
    assert plan(16000 * 5 + 100).start_samples.tolist() == [0, 16000, 32000, 32100]


def test_hop_is_no_longer_than_a_shortened_window_unless_asked_for():
    assert plan(16000, window_s=0.5).start_samples.tolist() == [0, 8000]
    assert plan(32000, window_s=0.5, hop_s=1.0).start_samples.tolist() == [0, 16000, 24000]


def test_too_short_a_clip():
    assert len(plan(8000)) == 1
    with pytest.raises(MediaTooShort, match=r"at least 0\.5 s"):
        plan(7999)
    with pytest.raises(MediaTooShort):
        plan(0)


def test_window_limit_is_exact():
    limits = Limits(max_windows=10)
    assert len(plan(16000 * 12, limits=limits)) == 10
    with pytest.raises(Unprocessable, match="11 windows, the limit is 10"):
        plan(16000 * 12 + 1, limits=limits)
