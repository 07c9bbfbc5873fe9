"""Arousal, valence and dominance beside what listeners rated: CCC, Pearson's correlation and error, over speakers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.corpora.tables import DIMENSIONS, Corpus
from export.evaluation.bundle import CorpusAnswers
from export.evaluation.concordance import concordance_coefficient

FloatArray = NDArray[np.float64]
Measure = Callable[[FloatArray, FloatArray], float]

RESAMPLES = 1000
"""Draws of the bootstrap."""


@dataclass(frozen=True)
class Figure:
    """A value, None of constant answers, with its 95 % bootstrap interval, None where a single speaker was rated."""

    value: float | None
    interval_95: tuple[float, float] | None


@dataclass(frozen=True)
class RatingFigures:
    """How near answers are to ratings of one dimension.

    Attributes:
        n: utterances with a rating.
        speakers: who said them; the bootstrap draws whole speakers.
        concordance: the CCC, by the divisors of :func:`concordance_coefficient`.
        pearson: correlation.
        rmse: root of the mean squared difference, both in −1 … 1.
    """

    n: int
    speakers: int
    concordance: Figure
    pearson: Figure
    rmse: Figure


def rating_figures(answers: CorpusAnswers, corpus: Corpus, seed: int = 0) -> dict[str, RatingFigures]:
    """Figures of each dimension that the model answers and that two utterances at least are rated in.

    Args:
        answers: of the bundle, one row an utterance.
        corpus: with ratings.
        seed: of the bootstrap.
    """
    found = {}
    for name in DIMENSIONS:
        values: NDArray[np.float32] | None = getattr(answers, name)
        rated = [place for place, utterance in enumerate(corpus.utterances) if name in utterance.ratings]
        if values is None or len(rated) < 2:
            continue
        gold = np.array([corpus.utterances[place].ratings[name] for place in rated])
        speakers = [corpus.utterances[place].speaker for place in rated]
        found[name] = _figures(gold, values[rated].astype(np.float64), speakers, seed)
    return found


def describe_ratings(figures: dict[str, RatingFigures]) -> list[str]:
    """One line a dimension."""
    return [
        f"  {name} beside listeners' ratings of {one.n} utterances, {one.speakers} speakers: "
        f"CCC {_told(one.concordance)}, Pearson {_told(one.pearson)}, RMSE {_told(one.rmse)}"
        for name, one in figures.items()
    ]


def _told(figure: Figure) -> str:
    if figure.value is None:
        return "not defined"
    if figure.interval_95 is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.interval_95[0]:.3f} … {figure.interval_95[1]:.3f})"


def _figures(gold: FloatArray, predicted: FloatArray, speakers: Sequence[str], seed: int) -> RatingFigures:
    rows = [np.flatnonzero(np.array(speakers) == speaker) for speaker in sorted(set(speakers))]
    random = np.random.default_rng(seed)
    draws = random.integers(len(rows), size=(RESAMPLES if len(rows) > 1 else 0, len(rows)))
    drawn = [np.concatenate([rows[speaker] for speaker in draw]) for draw in draws]

    def figure(measure: Measure) -> Figure:
        values = np.array([measure(gold[places], predicted[places]) for places in drawn])
        known = values[np.isfinite(values)]
        interval = None
        if known.size:
            low, high = np.percentile(known, [2.5, 97.5])
            interval = (float(low), float(high))
        value = measure(gold, predicted)
        return Figure(value, interval) if np.isfinite(value) else Figure(None, None)

    return RatingFigures(len(gold), len(rows), figure(concordance_coefficient), figure(_pearson), figure(_rmse))


def _pearson(gold: FloatArray, predicted: FloatArray) -> float:
    deviations = gold - gold.mean(), predicted - predicted.mean()
    spread = float(np.sqrt((deviations[0] ** 2).sum() * (deviations[1] ** 2).sum()))
    return float((deviations[0] * deviations[1]).sum()) / spread if spread > 0.0 else float("nan")


def _rmse(gold: FloatArray, predicted: FloatArray) -> float:
    return float(np.sqrt(((gold - predicted) ** 2).mean()))
