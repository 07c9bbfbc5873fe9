"""CCC as the challenge scores it, and the loss that goes with it."""

import numpy as np
import pytest
import torch

from export.affect.train import concordance_loss
from export.evaluation.concordance import concordance, concordance_coefficient


def test_worked_example():
    """gold 1 2 3 4, predicted 2 2 4 6: cov 1.75, variances 5/3 and 11/3, difference of means 1."""
    gold, predicted = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 4, 6])
    assert concordance_coefficient(gold, predicted) == pytest.approx(3.5 / (5 / 3 + 11 / 3 + 1))


def test_perfect_and_opposite_predictions():
    gold = np.random.default_rng(0).normal(size=50)
    assert concordance_coefficient(gold, gold) == pytest.approx(49 / 50)
    assert concordance_coefficient(gold - gold.mean(), gold.mean() - gold) == pytest.approx(-49 / 50)
    assert np.isnan(concordance_coefficient(np.ones(5), np.ones(5)))
    assert concordance_coefficient(gold, np.zeros(50)) == 0.0
    with pytest.raises(ValueError, match="length"):
        concordance_coefficient(gold, gold[1:])


def test_joined_sequences_differ_from_the_mean_of_sequences():
    rng = np.random.default_rng(1)
    gold = [rng.normal(level, 1, 80) for level in (0, 5, 10)]
    predicted = [series.mean() + 0.1 * rng.normal(size=90) for series in gold]  # right level, no shape
    scores = concordance(gold, predicted)
    assert scores.concatenated > 0.9
    assert max(abs(value) for value in scores.per_sequence) < 0.2
    assert scores.interval_95[0] <= scores.concatenated <= 1.0
    assert concordance(gold[:1], predicted[:1]).interval_95 is None


@pytest.mark.parametrize("scope", ["sequence", "concatenated"])
def test_loss_is_one_minus_ccc_of_the_steps_that_count(scope):
    rng = np.random.default_rng(2)
    lengths = [60, 35]
    gold, predicted = rng.normal(size=(2, 60)), rng.normal(size=(2, 60))
    mask = np.arange(60)[None] < np.array(lengths)[:, None]
    loss = concordance_loss(*(torch.from_numpy(values) for values in (predicted, gold, mask)), scope).item()

    def population(truth, guess):
        covariance = np.mean((truth - truth.mean()) * (guess - guess.mean()))
        return 2 * covariance / (truth.var() + guess.var() + (truth.mean() - guess.mean()) ** 2)

    if scope == "sequence":
        expected = np.mean([population(gold[i, :n], predicted[i, :n]) for i, n in enumerate(lengths)])
    else:
        expected = population(gold[mask], predicted[mask])
    assert loss == pytest.approx(1 - expected, abs=1e-9)


def test_loss_has_a_gradient_at_a_constant_prediction():
    predicted = torch.zeros(1, 20, requires_grad=True)
    loss = concordance_loss(predicted, torch.linspace(-1, 1, 20)[None], torch.ones(1, 20))
    loss.backward()
    assert torch.isfinite(predicted.grad).all()
    assert predicted.grad.abs().max() > 0
