"""Worked examples of the affect route, small enough to follow by hand, and a genuine table end to end."""

import numpy as np
import pytest

from service.pipeline.affect.attribution import AffectFilter, answers, by_column, mean_cells, read_affect_filter
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.functionals import affect_features, moving_statistics
from service.pipeline.face.action_unit_table import read_action_unit_table
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.settings import Limits
from tests.shared_material import ROOT, shared_file


def test_moving_statistics_by_hand():
    """Frames at 0, 0.4, 0.5, 0.6 and 2.0 s; the windows are closed, so 0 to 1 s around 0.5 holds four."""
    time_s = np.array([0.0, 0.4, 0.5, 0.6, 2.0])
    values = np.array([[1.0], [2.0], [3.0], [6.0], [5.0]])
    mean, deviation, count = moving_statistics(time_s, values, np.array([0.0, 0.5, 1.3, 2.0]), 1.0)
    assert count.tolist() == [3, 4, 0, 1]
    np.testing.assert_allclose(mean[:, 0], [2.0, 3.0, 0.0, 5.0])
    # around 0: deviations −1, 0, 1; around 0.5: −2, −1, 0, 3; over N and not N − 1
    np.testing.assert_allclose(deviation[:, 0], [np.sqrt(2 / 3), np.sqrt(14 / 4), 0.0, 0.0])


def test_filter_of_four_by_hand():
    """Kernel 4 reaches from t − 1 to t + 2: y[t] = 1·x[t−1] + 10·x[t] + 100·x[t+1] + 1000·x[t+2] + 0.5."""
    features = np.array([[1.0], [2.0], [3.0]], np.float32)
    model = AffectFilter(np.array([[1.0, 10.0, 100.0, 1000.0]]), 0.5)
    np.testing.assert_allclose(answers(features, model), [3210.5, 321.5, 32.5])
    share = 0.5 / 4
    np.testing.assert_allclose(mean_cells(features, model, 1, 2), [[1 + share, 20 + share, 300 + share, share]])
    np.testing.assert_allclose(mean_cells(features, model).sum(), (3210.5 + 321.5 + 32.5) / 3)


def test_the_37_columns_in_order():
    assert COLUMNS[0] == "confidence_mean"
    assert COLUMNS[1:18] == tuple(f"{unit}_mean" for unit in ACTION_UNITS)
    assert COLUMNS[18] == "confidence_deviation"
    assert COLUMNS[19:36] == tuple(f"{unit}_deviation" for unit in ACTION_UNITS)
    assert COLUMNS[36] == "turn"
    assert len(COLUMNS) == 37


@pytest.mark.parametrize("target", ["arousal", "valence"])
def test_genuine_openface_table_to_affect_and_back_to_its_columns(target):
    table = read_action_unit_table(shared_file("media/OpenFace_Test.csv").read_bytes(), Limits(), fps=30)
    made = affect_features(table)
    assert made.columns.shape == (34, 37)
    assert made.tracked.tolist() == [1.0] * 34
    np.testing.assert_allclose(made.columns[:, 0], 0.883333, atol=0.06)
    middle = np.abs(table.time_s - 1.5) <= 0.5 + 1e-6
    np.testing.assert_allclose(made.columns[15, 1:18], table.action_units[middle].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(made.columns[15, 19:36], table.action_units[middle].std(axis=0), atol=1e-6)
    model = read_affect_filter((ROOT / "models" / "affect-prior" / "3" / f"{target}.onnx").read_bytes())
    said = answers(made.columns, model)
    assert np.isfinite(said).all()
    assert np.abs(said).max() < 1.0
    np.testing.assert_allclose(by_column(made.columns, model).sum(axis=1), said, atol=1e-12)
    assert mean_cells(made.columns, model).sum() == pytest.approx(said.mean(), abs=1e-12)
