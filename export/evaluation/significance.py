"""Whether two systems differ: tests on the same recordings, and the marks that papers print (A24, C27, D16)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, chi2, norm

from export.evaluation.metrics import Interval, resampled_uar, unweighted_average_recall


def mcnemar(correct: NDArray[np.bool_], rival_correct: NDArray[np.bool_]) -> float:
    """Two-sided exact p of McNemar's test on paired answers (A24, C27)."""
    only, only_rival = _discordant(correct, rival_correct)
    return float(binomtest(only, only + only_rival).pvalue) if only + only_rival else 1.0


def mcnemar_chi_squared(correct: NDArray[np.bool_], rival_correct: NDArray[np.bool_]) -> float:
    """Two-sided p of McNemar's test by chi-squared of one degree of freedom with Edwards' correction.

    A24 does not say which form was used. The exact one is :func:`mcnemar`; this one is what most programs give for
    large counts.
    """
    only, only_rival = _discordant(correct, rival_correct)
    if only + only_rival == 0:
        return 1.0
    return float(chi2.sf(max(abs(only - only_rival) - 1, 0) ** 2 / (only + only_rival), 1))


def _discordant(correct: NDArray[np.bool_], rival_correct: NDArray[np.bool_]) -> tuple[int, int]:
    """How many recordings only the first, and only the second, answered rightly."""
    return int((correct & ~rival_correct).sum()), int((~correct & rival_correct).sum())


def proportion_z_test(share: float, n: int, rival_share: float, rival_n: int) -> float:
    """Two-sided p of the z-test on two proportions (D16)."""
    pooled = (share * n + rival_share * rival_n) / (n + rival_n)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / rival_n))
    return 1.0 if spread == 0 else float(2 * norm.sf(abs(share - rival_share) / spread))


def significance_mark(p: float, *, better: bool) -> str:
    """A24's marks: '++' below 0.01, '+' below 0.05, else nothing; with minus signs for the worse system (C27)."""
    return ("+" if better else "-") * ((p < 0.01) + (p < 0.05))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values of several tests, so raised that any false alarm among them keeps its rate (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    raised = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        raised[place] = highest
    return raised


def paired_uar_difference(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], rival: NDArray[np.int64], samples: int = 2000, seed: int = 0
) -> Interval:
    """UAR of ``predicted`` minus that of ``rival`` on the same recordings, with a 95 % paired bootstrap interval."""
    random = np.random.default_rng(seed)

    def difference(rows: NDArray[np.int64]) -> float:
        return resampled_uar(truth, predicted, rows) - resampled_uar(truth, rival, rows)

    draws = [difference(random.integers(0, len(truth), len(truth))) for _ in range(samples)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(difference(np.arange(len(truth))), float(low), float(high))


Answered = Mapping[str, tuple[str, str]]
"""Recording to its true label and the answer."""


@dataclass(frozen=True)
class Comparison:
    """One system against another on the same recordings.

    Attributes:
        mcnemar_p: exact, on right and wrong answers (A24).
        mark: of that p, see :func:`significance_mark`.
        z_p: two-sided z-test on the two UARs as proportions of n (D16).
        uar_difference: ours minus the rival's, with its paired 95 % bootstrap interval.
    """

    n: int
    uar: float
    rival_uar: float
    uar_difference: Interval
    mcnemar_p: float
    mcnemar_chi_squared_p: float
    mark: str
    z_p: float


def compare_answers(ours: Answered, theirs: Answered) -> Comparison:
    """All tests on two systems' answers.

    Raises:
        ValueError: they answered other recordings, or hold other labels to be true.
    """
    unshared = len(ours.keys() ^ theirs.keys())
    if unshared or not ours:
        raise ValueError(f"{unshared} recordings were answered by one of them only" if unshared else "no answers")
    if any(ours[name][0] != theirs[name][0] for name in ours):
        raise ValueError("they hold other labels to be true")
    labels = sorted({label for pair in (*ours.values(), *theirs.values()) for label in pair})

    def column(answers: Answered, place: int) -> NDArray[np.int64]:
        return np.array([labels.index(answers[name][place]) for name in ours], dtype=np.int64)

    truth, predicted, rival = column(ours, 0), column(ours, 1), column(theirs, 1)
    uar = unweighted_average_recall(truth, predicted)
    rival_uar = unweighted_average_recall(truth, rival)
    correct, rival_correct = predicted == truth, rival == truth
    p = mcnemar(correct, rival_correct)
    return Comparison(
        n=len(truth),
        uar=uar,
        rival_uar=rival_uar,
        uar_difference=paired_uar_difference(truth, predicted, rival),
        mcnemar_p=p,
        mcnemar_chi_squared_p=mcnemar_chi_squared(correct, rival_correct),
        mark=significance_mark(p, better=int(correct.sum()) > int(rival_correct.sum())),
        z_p=proportion_z_test(uar, len(truth), rival_uar, len(truth)),
    )
