"""Fit units to ratings, one coefficient a unit, and measure the fit on people that it has not seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

FloatArray = NDArray[np.float64]
#: Weight of what is expected beside that of the ratings, in clips. With 3,000 anger, fear and disgust of rendered faces
#: are ordered less often, with 30,000 the ratings say nothing (``emoserve-export affect-prior``; 3,900 clips).
EXPECTATION_WEIGHT = 10_000.0
#: Ridge penalty of a fit without expectation. Among 1, 100, 300 and 1000 the held-out correlations differ by less than
#: 0.02; measured.
RIDGE = 300.0
FOLDS = 10
#: Refits behind the uncertainty of a value. Each takes a weight of the expectation between those that were tried above,
#: evenly in the logarithm: how far to trust it is a choice, and a part of what is not known.
REFITS = 200
REFIT_WEIGHTS = (3_000.0, 30_000.0)
RESAMPLES = 2000


@dataclass(frozen=True)
class HeldOut:
    """Pearson, concordance and root mean square difference, in rating points, between prediction and rating of clips of
    people outside the training, with intervals over people, and counts.
    """

    correlation: float
    concordance: float
    interval_95: tuple[float, float]
    error: float
    error_95: tuple[float, float]
    clips: int
    people: int


def fit_coefficients(
    evidence: FloatArray, rating: FloatArray, expected: FloatArray | None, weight: float = EXPECTATION_WEIGHT
) -> FloatArray:
    """Ridge coefficients of standardised units on the centred rating.

    Units of one classifier correlate, so a free fit gives some the sign opposite to what they show alone, to correct
    others. Such corrections do not carry over to another classifier; expected signs keep them out.

    Args:
        evidence: float64 [clips, units].
        rating: float64 [clips].
        expected: float64 [units], rating points per standard deviation of the unit towards which the fit is drawn,
            whose signs it keeps, and whose zeros stay zero; None fits freely, drawn towards zero.
        weight: that of what is expected, in clips.

    Returns:
        float64 [units], rating points per standard deviation of the unit, stretched so that the predictions of the
        given clips spread as much as the ratings: a regression's answers are too flat for a time series, and CCC counts
        that.
    """
    units = (evidence - evidence.mean(axis=0)) / evidence.std(axis=0)
    centred = rating - rating.mean()
    count = units.shape[1]
    if expected is None:
        coefficients = np.linalg.solve(units.T @ units + RIDGE * np.eye(count), units.T @ centred)
    else:
        pull = np.sqrt(weight)
        stacked = np.vstack([units * np.sign(expected), pull * np.eye(count)])
        coefficients = np.sign(expected) * nnls(stacked, np.concatenate([centred, pull * np.abs(expected)]))[0]
    return np.asarray(coefficients * (centred.std() / (units @ coefficients).std()))


def held_out(
    evidence: FloatArray, rating: FloatArray, subject: NDArray[np.int64], expected: FloatArray | None, seed: int = 0
) -> HeldOut:
    """Cross-validate over people: nobody is in training and test at once.

    Args:
        evidence: float64 [clips, units].
        rating: float64 [clips].
        subject: int64 [clips].
        expected: as :func:`fit_coefficients`.
        seed: of the folds and of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    people = rng.permutation(np.unique(subject))
    predicted = np.zeros(len(rating))
    for fold in np.array_split(people, FOLDS):
        test = np.isin(subject, fold)
        coefficients = fit_coefficients(evidence[~test], rating[~test], expected)
        mean, deviation = evidence[~test].mean(axis=0), evidence[~test].std(axis=0)
        predicted[test] = (evidence[test] - mean) / deviation @ coefficients + rating[~test].mean()
    intervals = np.percentile(_bootstrap(predicted, rating, subject, rng), [2.5, 97.5], axis=1)
    (low, high), (least, most) = intervals.T.tolist()
    spread = predicted.var() + rating.var() + (predicted.mean() - rating.mean()) ** 2
    concordance = 2 * np.mean((predicted - predicted.mean()) * (rating - rating.mean())) / spread
    correlation = float(np.corrcoef(predicted, rating)[0, 1])
    error = float(np.sqrt(np.mean((predicted - rating) ** 2)))
    counts = len(rating), len(people)
    return HeldOut(correlation, float(concordance), (low, high), error, (least, most), *counts)


def refits(
    evidence: FloatArray, rating: FloatArray, subject: NDArray[np.int64], expected: FloatArray, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Fit again to people drawn with replacement, as :func:`fit_coefficients`, with weights of ``REFIT_WEIGHTS``.

    Returns:
        Coefficients float64 [refits, units], and the mean rating of each draw, float64 [refits].
    """
    rng = np.random.default_rng(seed)
    clips = [np.flatnonzero(subject == person) for person in np.unique(subject)]
    weights = np.exp(rng.uniform(np.log(REFIT_WEIGHTS[0]), np.log(REFIT_WEIGHTS[1]), REFITS))
    coefficients, means = [], []
    for weight in weights.tolist():
        drawn = np.concatenate([clips[person] for person in rng.integers(0, len(clips), len(clips))])
        coefficients.append(fit_coefficients(evidence[drawn], rating[drawn], expected, weight))
        means.append(rating[drawn].mean())
    return np.array(coefficients), np.array(means)


def _bootstrap(
    predicted: FloatArray, rating: FloatArray, subject: NDArray[np.int64], rng: np.random.Generator
) -> FloatArray:
    """Correlations and root mean square differences of samples of people, float64 [2, resamples], from each person's
    sums of products.
    """
    _, person = np.unique(subject, return_inverse=True)
    products = np.ones_like(rating), predicted, rating, predicted**2, rating**2, predicted * rating
    sums = np.stack([np.bincount(person, weights=product) for product in products])
    people = sums.shape[1]
    times = rng.multinomial(people, np.full(people, 1 / people), size=RESAMPLES)
    _, x, y, xx, yy, xy = (sums @ times.T) / (sums[0] @ times.T)
    return np.stack([(xy - x * y) / np.sqrt((xx - x**2) * (yy - y**2)), np.sqrt(xx - 2 * xy + yy)])
