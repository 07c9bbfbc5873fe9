"""Figures of classification: unweighted average recall, its bootstrap interval, calibration."""

import math
from dataclasses import dataclass

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray
from sklearn.metrics import f1_score, recall_score

Labels = NDArray[np.int64]


def confusion_matrix(truth: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """int64 [classes, classes]; rows are the truth."""
    counts: NDArray[np.int64] = sklearn.metrics.confusion_matrix(truth, predicted, labels=np.arange(classes))
    return counts


def unweighted_average_recall(truth: Labels, predicted: Labels) -> float:
    """Mean of the recalls of the classes that occur in ``truth`` (A2, C27)."""
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro"))


def accuracy(truth: Labels, predicted: Labels) -> float:
    """Share of correct answers."""
    return float((truth == predicted).mean())


def macro_f1(truth: Labels, predicted: Labels) -> float:
    """Mean F1 over the classes that occur in ``truth`` or ``predicted``."""
    return float(f1_score(truth, predicted, average="macro", zero_division=0))


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def resampled_uar(truth: Labels, predicted: Labels, rows: NDArray[np.int64]) -> float:
    """UAR of the drawn ``rows``; by hand, since scikit-learn's checks take longer than a draw and there are thousands.

    Args:
        truth: int64 [utterances].
        predicted: int64 [utterances].
        rows: int64 [drawn], places of the utterances drawn, repeated ones included.
    """
    drawn = np.bincount(truth[rows])
    right = np.bincount(truth[rows], weights=truth[rows] == predicted[rows])
    return float((right[drawn > 0] / drawn[drawn > 0]).mean())


def bootstrap_uar(truth: Labels, predicted: Labels, samples: int = 2000, seed: int = 0) -> Interval:
    """UAR with a percentile bootstrap over utterances (95 %)."""
    random = np.random.default_rng(seed)
    draws = [resampled_uar(truth, predicted, random.integers(0, len(truth), len(truth))) for _ in range(samples)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(unweighted_average_recall(truth, predicted), float(low), float(high))


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
