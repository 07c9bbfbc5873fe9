import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from export.evaluation import metrics


@pytest.fixture
def answers():
    random = np.random.default_rng(440)
    truth = random.integers(0, 4, 300)
    predicted = np.where(random.random(300) < 0.6, truth, random.integers(0, 4, 300))
    return truth, predicted


def test_figures_are_scikit_learns(answers):
    truth, predicted = answers
    assert metrics.unweighted_average_recall(truth, predicted, 4) == pytest.approx(
        balanced_accuracy_score(truth, predicted)
    )
    assert metrics.macro_f1(truth, predicted, 4) == pytest.approx(f1_score(truth, predicted, average="macro"))
    np.testing.assert_array_equal(metrics.confusion_matrix(truth, predicted, 4), confusion_matrix(truth, predicted))


def test_absent_classes_do_not_count():
    truth, predicted = np.array([0, 0, 2]), np.array([0, 1, 2])
    assert metrics.unweighted_average_recall(truth, predicted, 5) == 0.75


def test_bootstrap_interval_holds_the_value_and_narrows_with_n(answers):
    truth, predicted = answers
    interval = metrics.bootstrap_uar(truth, predicted, 4, samples=300)
    assert interval.low < interval.value < interval.high
    wide = metrics.bootstrap_uar(truth[:50], predicted[:50], 4, samples=300)
    assert wide.high - wide.low > interval.high - interval.low


def test_temperature_undoes_overconfidence():
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.0, (4000, 3)).astype(np.float32)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(3, p=row / row.sum()) for row in chances.astype(np.float64)])
    assert metrics.fit_temperature(logits * 2.5, truth) == pytest.approx(2.5, rel=0.1)


def test_temperature_follows_the_weights():
    logits = np.array([[2.0, 0.0]] * 10, dtype=np.float32)
    truth = np.array([0] * 5 + [0, 0, 1, 1, 1])
    surer, doubting = np.repeat([1.0, 0.0], 5), np.repeat([0.0, 1.0], 5)
    assert metrics.fit_temperature(logits, truth, surer) < 0.5 < metrics.fit_temperature(logits, truth, doubting)


def test_calibration_error_of_certain_and_wrong_answers_is_one():
    probabilities = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (10, 1))
    assert metrics.expected_calibration_error(probabilities, np.ones(10, dtype=np.int64)) == pytest.approx(1.0)
    assert metrics.expected_calibration_error(probabilities, np.zeros(10, dtype=np.int64)) == pytest.approx(0.0)


def test_mcnemar_is_the_exact_binomial_test():
    first = np.array([True] * 30 + [False] * 10 + [True] * 5)
    second = np.array([True] * 20 + [False] * 10 + [True] * 10 + [True] * 5)
    only, only_rival = int((first & ~second).sum()), int((~first & second).sum())
    assert metrics.mcnemar(first, second) == pytest.approx(binomtest(only, only + only_rival).pvalue)
    assert metrics.mcnemar(first, first) == 1.0


def test_z_test_of_equal_shares_is_one_and_of_far_ones_is_small():
    assert metrics.proportion_z_test(0.5, 100, 0.5, 400) == pytest.approx(1.0)
    assert metrics.proportion_z_test(0.7, 2000, 0.6, 2000) < 0.001
