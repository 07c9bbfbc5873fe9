"""The concordance correlation coefficient as the AVEC challenges score it (E18, E21)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Concordance:
    """CCC of a set of sequences.

    Attributes:
        concatenated: of all sequences joined, the official figure.
        per_sequence: of each sequence; NaN where both its series are constant.
        interval_95: bootstrap interval of ``concatenated``, sequences drawn with replacement, or None for
            one.
    """

    concatenated: float
    per_sequence: tuple[float, ...]
    interval_95: tuple[float, float] | None


def concordance_coefficient(gold: FloatArray, predicted: FloatArray) -> float:
    """2 cov / (var + var + difference of means²), covariance over N and variances over N − 1 (E21).

    The mixed divisors are those of the challenge's script; a perfect prediction scores (N − 1) / N.

    Args:
        gold: float [steps].
        predicted: float [steps].

    Returns:
        −1…1, or NaN where it is undefined (fewer than two steps, or two equal constants).

    Raises:
        ValueError: different lengths.
    """
    if gold.shape != predicted.shape:
        raise ValueError("gold and predicted series differ in length")
    if gold.size < 2:
        return float("nan")
    gold, predicted = gold.astype(np.float64), predicted.astype(np.float64)
    covariance = float(np.mean((gold - gold.mean()) * (predicted - predicted.mean())))
    spread = float(gold.var(ddof=1) + predicted.var(ddof=1) + (gold.mean() - predicted.mean()) ** 2)
    return 2.0 * covariance / spread if spread > 0.0 else float("nan")


def concordance(
    gold: list[FloatArray], predicted: list[FloatArray], *, seed: int = 0, resamples: int = 1000
) -> Concordance:
    """CCC of each sequence and of all joined.

    Args:
        gold: one float [steps] a sequence.
        predicted: the same lengths; longer ones are cut, as the challenge does with its padding.
        seed: of the bootstrap.
        resamples: bootstrap samples.
    """
    predicted = [series[: len(truth)] for truth, series in zip(gold, predicted, strict=True)]
    pairs = list(zip(gold, predicted, strict=True))
    interval = None
    if len(pairs) > 1:
        rng = np.random.default_rng(seed)
        draws = rng.integers(len(pairs), size=(resamples, len(pairs)))
        drawn = [_joined([pairs[index] for index in draw]) for draw in draws]
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        interval = (float(low), float(high))
    return Concordance(_joined(pairs), tuple(concordance_coefficient(*pair) for pair in pairs), interval)


@dataclass(frozen=True)
class ConcordanceDifference:
    """How much better a rival is on the same sequences.

    Attributes:
        value: CCC of all sequences joined, the rival's minus the first's.
        interval_95: bootstrap interval, the same sequences drawn for both; None for a single sequence.
        p: two-sided, from the share of draws on either side of 0; None for a single sequence.
    """

    value: float
    interval_95: tuple[float, float] | None
    p: float | None


def concordance_difference(
    gold: list[FloatArray], first: list[FloatArray], rival: list[FloatArray], *, seed: int = 0, resamples: int = 1000
) -> ConcordanceDifference:
    """Compare two models by a paired bootstrap over sequences.

    Args:
        gold, first, rival: one float [steps] a sequence; longer predictions are cut.
        seed: of the bootstrap.
        resamples: bootstrap samples.
    """
    cut = [[series[: len(truth)] for truth, series in zip(gold, model, strict=True)] for model in (first, rival)]
    own, other = (list(zip(gold, model, strict=True)) for model in cut)
    value = _joined(other) - _joined(own)
    if len(gold) < 2:
        return ConcordanceDifference(value, None, None)
    draws = np.random.default_rng(seed).integers(len(gold), size=(resamples, len(gold)))
    drawn = np.array(
        [_joined([other[index] for index in draw]) - _joined([own[index] for index in draw]) for draw in draws]
    )
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return ConcordanceDifference(value, None, None)
    low, high = np.percentile(known, [2.5, 97.5])
    tail = (1 + min(int((known <= 0).sum()), int((known >= 0).sum()))) / (1 + known.size)
    return ConcordanceDifference(value, (float(low), float(high)), min(1.0, 2 * tail))


def _joined(pairs: list[tuple[FloatArray, FloatArray]]) -> float:
    return concordance_coefficient(
        np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])
    )
