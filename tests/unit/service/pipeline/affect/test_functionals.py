"""The moving statistics equal a direct computation, for any frame times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.functionals import (
    EDGE_TOLERANCE_S,
    affect_features,
    moving_statistics,
    speaker_turn,
    time_grid,
)
from service.pipeline.face.face_series import FaceSeries


def direct_statistics(time_s, values, grid_s, window_s):
    mean = np.zeros((grid_s.size, values.shape[1]))
    deviation = np.zeros_like(mean)
    for step, centre in enumerate(grid_s):
        inside = np.abs(time_s - centre) <= window_s / 2 + EDGE_TOLERANCE_S
        if inside.any():
            mean[step] = values[inside].mean(axis=0)
            deviation[step] = values[inside].std(axis=0)
    return mean, deviation


frame_steps_ms = st.lists(st.integers(1, 400), min_size=0, max_size=150)


@settings(max_examples=80)
@given(
    steps_ms=frame_steps_ms,
    seed=st.integers(0, 2**16),
    decimals=st.integers(0, 6),
    window_s=st.sampled_from([0.2, 1.0, 4.0]),
    hop_s=st.sampled_from([0.04, 0.1, 0.5]),
)
def test_equals_the_direct_window_computation(steps_ms, seed, decimals, window_s, hop_s):
    time_s = np.concatenate([[0], np.cumsum(steps_ms)]) / 1000
    values = np.random.default_rng(seed).uniform(0, 5, (time_s.size, 3)).round(decimals)
    grid_s = time_grid(float(time_s[-1]), hop_s)
    mean, deviation, count = moving_statistics(time_s, values, grid_s, window_s)
    expected_mean, expected_deviation = direct_statistics(time_s, values, grid_s, window_s)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-9)
    np.testing.assert_allclose(deviation, expected_deviation, atol=1e-6)
    inside = np.abs(time_s[None] - grid_s[:, None]) <= window_s / 2 + EDGE_TOLERANCE_S
    assert count.tolist() == inside.sum(axis=1).tolist()


@given(level=st.floats(0, 5), offset=st.integers(0, 500))
def test_constant_stretch_of_a_long_recording_has_deviation_of_exactly_zero(level, offset):
    time_s = np.arange(2000) / 25
    values = np.random.default_rng(1).uniform(0, 5, (2000, 1))
    values[offset : offset + 200] = level
    grid_s = np.array([(offset + 100) / 25])
    mean, deviation, _ = moving_statistics(time_s, values, grid_s, 1.0)
    assert deviation[0, 0] == 0.0
    assert mean[0, 0] == level


def test_statistics_go_by_time_and_not_by_frame_count():
    """The same movement filmed at 25, 30 and 50 frames a second gives the same columns."""
    outcomes = []
    for rate in (25, 30, 50):
        time_s = np.arange(rate * 20) / rate
        values = (2.5 + 2 * np.sin(time_s))[:, None]
        outcomes.append(moving_statistics(time_s, values, time_grid(18.0), 1.0)[:2])
    for mean, deviation in outcomes[1:]:
        np.testing.assert_allclose(mean[10:], outcomes[0][0][10:], atol=0.02)
        np.testing.assert_allclose(deviation[10:], outcomes[0][1][10:], atol=0.04)


def test_an_hour_of_frames_keeps_its_precision():
    time_s = np.arange(3600 * 30) / 30
    values = np.random.default_rng(3).uniform(4.9, 5.0, (time_s.size, 2))
    grid_s = time_grid(float(time_s[-1]))
    mean, deviation, _ = moving_statistics(time_s, values, grid_s, 1.0)
    some = np.linspace(0, grid_s.size - 1, 200).astype(int)
    expected_mean, expected_deviation = direct_statistics(time_s, values, grid_s[some], 1.0)
    np.testing.assert_allclose(mean[some], expected_mean, atol=1e-9)
    np.testing.assert_allclose(deviation[some], expected_deviation, atol=1e-7)


def test_columns_are_means_then_deviations_then_turn():
    rng = np.random.default_rng(0)
    time_s = np.arange(90) / 30
    confidence, units = rng.uniform(0, 1, 90), rng.uniform(0, 5, (90, 17))
    turn = np.ones(5)
    features = affect_features(FaceSeries(time_s, confidence, units, np.ones(90, bool)), turn=turn)
    inside = np.abs(time_s - 1.5) <= 0.5 + EDGE_TOLERANCE_S
    assert features.columns.shape == (30, 37)
    assert features.columns.dtype == np.float32
    row = dict(zip(COLUMNS, features.columns[15], strict=True))
    assert row["confidence_mean"] == pytest.approx(confidence[inside].mean(), rel=1e-5)
    assert row["AU12_mean"] == pytest.approx(units[inside, 8].mean(), rel=1e-5)
    assert row["AU45_deviation"] == pytest.approx(units[inside, 16].std(), rel=1e-5)
    assert features.columns[:, -1].tolist() == [1.0] * 5 + [0.0] * 25


def test_moments_without_frames_are_zero_and_not_tracked():
    time_s = np.concatenate([np.arange(30), np.arange(150, 180)]) / 30
    tracked = np.concatenate([np.ones(30, bool), np.zeros(30, bool)])
    features = affect_features(FaceSeries(time_s, np.ones(60), np.full((60, 17), 2.0), tracked))
    assert features.tracked[0] == 1.0
    assert features.tracked[30] == 0.0
    assert not features.columns[30].any()
    assert features.tracked[-1] == 0.0
    assert features.columns[-1].any()


def test_turn_is_one_where_any_track_speaks():
    left, right = np.zeros(100), np.zeros(100)
    left[10:12] = 0.9  # 0.32 s to 0.384 s
    right[50] = 0.9  # 1.6 s to 1.632 s
    grid_s = time_grid(3.0)
    turn = speaker_turn([left, right], grid_s, 0.032)
    assert np.flatnonzero(turn).tolist() == [3, 4, 16]
    assert speaker_turn([np.zeros(0)], grid_s, 0.032).sum() == 0


def test_blocks_of_windows_change_nothing(monkeypatch):
    """Including blocks whose windows hold no frame."""
    rng = np.random.default_rng(0)
    time_s = np.concatenate([np.arange(200) / 25, 20 + np.arange(200) / 25])
    values = np.where(time_s[:, None] < 4, 2.5, rng.normal(3, 1, (400, 3))).astype(np.float32)
    grid_s = time_grid(30.0)
    whole = moving_statistics(time_s, values, grid_s, 1.0)
    monkeypatch.setattr("service.pipeline.affect.functionals.WINDOWS_AT_ONCE", 7)
    for one, other in zip(whole, moving_statistics(time_s, values, grid_s, 1.0), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-12)
    np.testing.assert_allclose(whole[0], direct_statistics(time_s, values, grid_s, 1.0)[0], atol=1e-6)
