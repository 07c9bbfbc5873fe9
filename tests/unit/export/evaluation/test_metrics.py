import numpy as np
import pytest

from export.evaluation import metrics


@pytest.fixture
def answers():
    random = np.random.default_rng(440)
    truth = random.integers(0, 4, 300)
    predicted = np.where(random.random(300) < 0.6, truth, random.integers(0, 4, 300))
    return truth, predicted


@pytest.mark.parametrize(
    ("seed", "n", "classes", "uar", "f1", "low", "high"),
    [
        (0, 40, 4, 0.5417582417582418, 0.5382056590752243, 0.37221307083439437, 0.7121875),
        (1, 200, 7, 0.5875994640280354, 0.5841714117095709, 0.5182186340213235, 0.6554254559117516),
        (2, 15, 6, 0.611111111111111, 0.5825396825396826, 0.36666666666666664, 0.8138333333333333),
    ],
)
def test_figures_by_counting(seed, n, classes, uar, f1, low, high):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    predicted = np.where(random.random(n) < 0.5, truth, random.integers(0, classes, n))
    interval = metrics.bootstrap_uar(truth, predicted, samples=500)
    found = (interval.value, metrics.macro_f1(truth, predicted), interval.low, interval.high)
    assert found == pytest.approx((uar, f1, low, high), rel=1e-12)
    every = np.arange(n)
    assert metrics.resampled_uar(truth, predicted, every) == pytest.approx(interval.value, rel=1e-12)


def test_absent_classes_do_not_count():
    truth, predicted = np.array([0, 0, 2]), np.array([0, 1, 2])
    assert metrics.unweighted_average_recall(truth, predicted) == 0.75


def test_bootstrap_interval_holds_the_value_and_narrows_with_n(answers):
    truth, predicted = answers
    interval = metrics.bootstrap_uar(truth, predicted, samples=300)
    assert interval.low < interval.value < interval.high
    wide = metrics.bootstrap_uar(truth[:50], predicted[:50], samples=300)
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
