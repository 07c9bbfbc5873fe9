"""Figures of classification: unweighted average recall, its bootstrap interval, calibration, paired tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def confusion_matrix(truth: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """int64 [classes, classes]; rows are the truth."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def recalls(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Recall of each class that occurs."""
    present = confusion.sum(axis=1) > 0
    return confusion.diagonal()[present] / confusion.sum(axis=1)[present]


def unweighted_average_recall(truth: Labels, predicted: Labels, classes: int) -> float:
    """Mean of the recalls of the classes that occur in ``truth`` (A2, C27)."""
    return float(recalls(confusion_matrix(truth, predicted, classes)).mean())


def accuracy(truth: Labels, predicted: Labels) -> float:
    """Share of correct answers."""
    return float((truth == predicted).mean())


def macro_f1(truth: Labels, predicted: Labels, classes: int) -> float:
    """Mean F1 over the classes that occur in ``truth`` or ``predicted``."""
    confusion = confusion_matrix(truth, predicted, classes)
    totals = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * confusion.diagonal()[totals > 0] / totals[totals > 0]).mean())


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap_uar(truth: Labels, predicted: Labels, classes: int, samples: int = 2000, seed: int = 0) -> Interval:
    """UAR with a percentile bootstrap over utterances (95 %)."""
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(samples):
        chosen = random.integers(0, len(truth), len(truth))
        draws.append(unweighted_average_recall(truth[chosen], predicted[chosen], classes))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(unweighted_average_recall(truth, predicted, classes), float(low), float(high))


@dataclass(frozen=True)
class Reliability:
    """Equal bins of confidence that hold an answer: float64 [bins] each.

    Attributes:
        share: of all answers.
        confidence: mean probability of the answers.
        accuracy: share of right answers.
    """

    share: NDArray[np.float64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Mean gap between confidence and accuracy over the answers: the expected calibration error."""
        return float((self.share * np.abs(self.accuracy - self.confidence)).sum())


def reliability(probabilities: NDArray[np.float32] | NDArray[np.float64], truth: Labels, bins: int = 15) -> Reliability:
    """Confidence against accuracy in ``bins`` equal bins of confidence (Guo 2017).

    Args:
        probabilities: [utterances, classes].
        truth: int64 [utterances].
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    held = [place == index for index in np.unique(place)]
    columns = [(inside.mean(), confidence[inside].mean(), correct[inside].mean()) for inside in held]
    return Reliability(*np.array(columns, dtype=np.float64).T)


def expected_calibration_error(
    probabilities: NDArray[np.float32] | NDArray[np.float64], truth: Labels, bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over ``bins`` equal bins of confidence (Guo 2017)."""
    return reliability(probabilities, truth, bins).error


def fit_temperature(logits: NDArray[np.float32], truth: Labels, weights: NDArray[np.float64] | None = None) -> float:
    """Temperature that makes softmax(logits / T) most likely on held-out data (Guo 2017), within 0.2 … 5.

    Args:
        logits: float32 [utterances, classes].
        truth: int64 [utterances].
        weights: float64 [utterances], how much each utterance counts; all the same if None.
    """
    grid = np.exp(np.linspace(math.log(0.2), math.log(5.0), 321))
    losses = []
    for temperature in grid:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        normaliser = np.log(np.exp(scaled).sum(axis=1))
        losses.append(np.average(normaliser - scaled[np.arange(len(truth)), truth], weights=weights))
    return float(grid[int(np.argmin(losses))])


def mcnemar(correct: NDArray[np.bool_], rival_correct: NDArray[np.bool_]) -> float:
    """Two-sided exact p of McNemar's test on paired answers (A24, C27)."""
    only = int((correct & ~rival_correct).sum())
    only_rival = int((~correct & rival_correct).sum())
    n = only + only_rival
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(only, only_rival) + 1))
    return min(1.0, 2.0 * tail / 2**n)


def proportion_z_test(share: float, n: int, rival_share: float, rival_n: int) -> float:
    """Two-sided p of the z-test on two proportions (D16)."""
    pooled = (share * n + rival_share * rival_n) / (n + rival_n)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / rival_n))
    if spread == 0:
        return 1.0
    return math.erfc(abs(share - rival_share) / spread / math.sqrt(2))
