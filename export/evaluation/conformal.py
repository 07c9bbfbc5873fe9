"""Plausible labels: the bound is fitted on corpora that the weights never heard, and scored on others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.card import Doubt

COVERAGE = 0.9
"""Share of recordings whose right label is to be plausible."""


@dataclass(frozen=True)
class Judged:
    """Answers for the utterances of one corpus whose class the model has.

    Attributes:
        corpus: its name.
        probabilities: float32 [utterances, classes], among all classes of the model.
        truth: int64 [utterances].
    """

    corpus: str
    probabilities: NDArray[np.float32]
    truth: NDArray[np.int64]


def fit_doubt(parts: Sequence[Judged], coverage: float = COVERAGE) -> Doubt:
    """The largest bound under which the right label is plausible at ``coverage``, each corpus counting the same.

    Split-conformal prediction with the least ambiguous sets (Sadinle 2019, doi:10.1080/01621459.2017.1395341).

    Raises:
        ValueError: there is no utterance.
    """
    kept = [part for part in parts if len(part.truth)]
    if not kept:
        raise ValueError("no utterance to fit plausible labels on")
    right = np.concatenate([_right(part) for part in kept])
    weight = np.concatenate([np.full(len(part.truth), 1.0 / len(part.truth) / len(kept)) for part in kept])
    order = np.argsort(-right)
    # One utterance more than was seen: the correction of split-conformal prediction for a finite sample.
    wanted = min(coverage * (1.0 + 1.0 / len(right)), 1.0 - 1e-9)
    place = int(np.searchsorted(np.cumsum(weight[order]), wanted))
    bound = float(min(right[order][min(place, len(right) - 1)], 1.0))
    sizes = [float(set_sizes(part.probabilities, bound).mean()) for part in kept]
    return Doubt(
        coverage=coverage,
        least_probability=round(bound, 4),
        fitted_on=[part.corpus for part in kept],
        mean_size=round(float(np.mean(sizes)), 2),
    )


def set_sizes(probabilities: NDArray[np.float32], bound: float) -> NDArray[np.int64]:
    """Number of plausible labels of each utterance, at least 1."""
    return np.maximum((probabilities >= bound).sum(axis=1), 1)


def share_covered(judged: Judged, bound: float) -> float:
    """Share of utterances whose right label is plausible."""
    return float((_right(judged) >= bound).mean())


def _right(part: Judged) -> NDArray[np.float64]:
    """Probability of the right label; 1 where it is the most probable one, which is always plausible."""
    rows = np.arange(len(part.truth))
    value = part.probabilities[rows, part.truth].astype(np.float64)
    return np.where(part.probabilities.argmax(axis=1) == part.truth, 1.0, value)
