"""The attribution is exact: its cells add up to what the network says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pipeline.affect.attribution import AffectFilter, answers, attribute, by_column, lags_s, mean_cells


def direct_answer(features, model, step):
    """E16 with the Keras span (F18), one product at a time."""
    before = (model.kernel - 1) // 2
    total = model.bias
    for tap in range(model.kernel):
        position = step - before + tap
        if 0 <= position < len(features):
            total += float(model.weights[:, tap] @ features[position].astype(np.float64))
    return total


@settings(max_examples=40)
@given(steps=st.integers(1, 60), columns=st.integers(1, 5), kernel=st.integers(1, 30), seed=st.integers(0, 2**16))
def test_cells_and_columns_add_up_to_the_output(steps, columns, kernel, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(steps, columns)).astype(np.float32)
    model = AffectFilter(rng.normal(size=(columns, kernel)), float(rng.normal()))
    expected = [direct_answer(features, model, step) for step in range(steps)]
    np.testing.assert_allclose(answers(features, model), expected, atol=1e-9)
    np.testing.assert_allclose(by_column(features, model).sum(axis=1), expected, atol=1e-9)
    step = steps // 2
    cells = mean_cells(features, model, step, step + 1)
    assert cells.shape == (columns, kernel)
    assert cells.sum() == pytest.approx(expected[step], abs=1e-9)
    np.testing.assert_allclose(cells.sum(axis=1), by_column(features, model)[step], atol=1e-9)
    start, stop = steps // 3, steps // 3 + max(1, steps // 2)
    assert mean_cells(features, model, start, stop).sum() == pytest.approx(np.mean(expected[start:stop]), abs=1e-9)


def test_one_cell_is_product_plus_its_share_of_the_bias():
    features = np.zeros((120, 37), np.float32)
    features[70, 8] = 2.0
    weights = np.zeros((37, 100))
    weights[8, 69] = 0.25  # lag +2.0 s
    model = AffectFilter(weights, 0.37)
    cells = mean_cells(features, model, 50, 51)
    share = 0.37 / 3700
    assert cells[8, 69] == pytest.approx(0.5 + share)
    assert cells[0, 0] == pytest.approx(share)


def test_span_of_kernel_100_is_that_of_keras():
    lags = lags_s(100, 0.1)
    assert (lags[0], lags[49], lags[99]) == pytest.approx((-4.9, 0.0, 5.0))
    impulse = np.zeros((200, 1), np.float32)
    impulse[100] = 1.0
    heard = np.flatnonzero(answers(impulse, AffectFilter(np.ones((1, 100)), 0.0)))
    assert (heard[0], heard[-1]) == (50, 149)  # an event is first heard 5.0 s ahead, last 4.9 s after


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (3, 2), (0, 11), (-1, 2)])
def test_ranges_outside_the_recording_are_refused(start, stop):
    with pytest.raises(ValueError, match="range"):
        mean_cells(np.zeros((10, 2), np.float32), AffectFilter(np.ones((2, 3)), 0.0), start, stop)


NAMES = ("confidence_mean", "AU04_mean", "AU12_mean")


def explained(features, known=None, bias=-0.2):
    """The attribution of both targets by filters that reach 0.2 s to either side of a kernel of 11."""
    window = np.zeros(11)
    window[3:8] = 0.2
    arousal = AffectFilter(np.outer([0.5, 0.1, 0.1], window), bias)
    valence = AffectFilter(np.outer([0.0, -0.2, 0.3], window), 0.0)
    known = np.ones(len(features), np.bool_) if known is None else known
    return attribute(features, NAMES, known, arousal, valence, 0.1), (arousal, valence)


def resting_face(steps):
    features = np.zeros((steps, 3), np.float32)
    features[:, 0] = 0.98
    return features


def test_a_face_at_rest_is_the_baseline_and_nothing_else():
    features = resting_face(40)
    found, (arousal, _) = explained(features)
    assert np.abs(found.arousal).max() < 1e-7
    assert found.arousal_baseline == pytest.approx(answers(features, arousal).mean(), abs=1e-6)
    assert found.valence_baseline == 0
    assert found.moments == ()


def test_deviations_and_baseline_add_up_over_what_is_known():
    rng = np.random.default_rng(3)
    features = rng.uniform(0, 2, (60, 3)).astype(np.float32)
    known = rng.random(60) > 0.3
    found, filters = explained(features, known)
    for name, model in zip(("arousal", "valence"), filters, strict=True):
        total = getattr(found, name).sum() + getattr(found, f"{name}_baseline")
        assert total == pytest.approx(answers(features, model)[known].mean(), abs=1e-6)
        np.testing.assert_allclose(getattr(found, f"{name}_by_feature"), getattr(found, name).sum(axis=1), atol=1e-12)


def test_lags_reach_as_far_as_the_weights():
    found, _ = explained(resting_face(40))
    np.testing.assert_allclose(found.lags_s, [-0.2, -0.1, 0.0, 0.1, 0.2], atol=1e-12)
    assert found.valence.shape == (3, 5)


def test_stretches_are_told_that_moved_the_answer():
    features = resting_face(300)
    features[120:151, 1] = 2.0  # brows, lowered from 12.0 to 15.0 s
    features[133:136, 1] = 0.0  # a pause of 0.3 s
    features[250:, 1] = 0.1  # too weak
    features[20:41, 2] = 1.0
    found, _ = explained(features)
    told = [(one.target, one.feature, round(one.start_s), round(one.end_s)) for one in found.moments]
    assert ("valence", "AU04_mean", 12, 15) in told
    assert ("valence", "AU12_mean", 2, 4) in told
    assert [one[2] for one in told if one[0] == "valence"] == [2, 12]
    (brows,) = [one for one in found.moments if one.feature == "AU04_mean" and one.target == "valence"]
    assert -0.4 < brows.contribution < -0.2
