"""How well estimates follow a reference: Pearson's r and the concordance coefficient, with bootstrap
intervals.

Frames of one person are not independent, so whole identities are drawn in the bootstrap.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000


@dataclass(frozen=True)
class Agreement:
    """Agreement in each column, and the mean over columns with its 95 % interval.

    Attributes:
        by_column: float64 [columns].
        mean: mean of ``by_column``.
        interval_95: bootstrap interval of ``mean`` over identities.
    """

    by_column: NDArray[np.float64]
    mean: float
    interval_95: tuple[float, float]


@dataclass(frozen=True)
class Evaluation:
    """Agreement on held-out identities with one way of taking the neutral.

    Attributes:
        neutral: 'given' neutral frame, 'resting' level of the person's own expressive frames, or 'none'.
        correlation, concordance: by action unit and on average.
        frames: number of frames judged.
    """

    neutral: str
    correlation: Agreement
    concordance: Agreement
    frames: int


def agreement(
    estimate: NDArray[np.floating], truth: NDArray[np.floating], identity: NDArray[np.int64], seed: int
) -> tuple[Agreement, Agreement]:
    """Pearson's r and the concordance coefficient (Lin 1989) of ``estimate`` with ``truth``, both [frames,
    columns].

    A column that does not vary agrees with nothing: 0.
    """
    a, b = estimate.astype(np.float64), truth.astype(np.float64)
    moments = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b])
    people = [moments[:, identity == person].sum(1) for person in np.unique(identity)]
    by_person = np.stack(people)  # [identities, 6, columns]
    drawn = np.random.default_rng(seed).integers(len(people), size=(RESAMPLES, len(people)))
    correlation, concordance = _coefficients(by_person.sum(0))
    resampled = [_coefficients(by_person[rows].sum(0)) for rows in drawn]
    return (
        _summary(correlation, np.array([pair[0].mean() for pair in resampled])),
        _summary(concordance, np.array([pair[1].mean() for pair in resampled])),
    )


def _coefficients(moments: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation and concordance of each column from sums [6, columns]."""
    count, sum_a, sum_b, sum_aa, sum_bb, sum_ab = moments
    mean_a, mean_b = sum_a / count, sum_b / count
    variance_a = np.maximum(sum_aa / count - mean_a**2, 0)
    variance_b = np.maximum(sum_bb / count - mean_b**2, 0)
    covariance = sum_ab / count - mean_a * mean_b
    spread = np.sqrt(variance_a * variance_b)
    varies = spread > 1e-12
    correlation = np.where(varies, covariance / np.where(varies, spread, 1), 0)
    distance = variance_a + variance_b + (mean_a - mean_b) ** 2
    concordance = np.where(varies, 2 * covariance / np.where(varies, distance, 1), 0)
    return correlation, concordance


def _summary(by_column: NDArray[np.float64], means: NDArray[np.float64]) -> Agreement:
    low, high = np.percentile(means, [2.5, 97.5])
    return Agreement(by_column, float(by_column.mean()), (float(low), float(high)))
