"""Fitting a calibration to what a network says of held-out speech."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from export.evaluation.calibration import Calibration, Kind
from export.evaluation.metrics import fit_temperature
from export.failures import UserError

INVERSE_TEMPERATURES = (0.2, 5.0)
BIASES = (-5.0, 5.0)
"""Bounds of the search for biases, which would diverge on speech that a network separates without an error."""


class CalibrationError(UserError):
    """Held-out speech on which nothing can be fitted; the message says why."""


@dataclass(frozen=True)
class HeldOut:
    """Logits of one corpus's held-out utterances.

    Attributes:
        corpus: its name.
        logits: [utterances, classes], up to a number that is the same for all classes.
        truth: int64 [utterances], −1 where the network has no such class.
        own: bool [classes], the classes that the corpus has.
        unfamiliarity: float [utterances], 1 for speech like the training's; empty where the network cannot tell.
        is_known: whether the network was trained on other speech of the corpus.
    """

    corpus: str
    logits: NDArray[np.floating]
    truth: NDArray[np.int64]
    own: NDArray[np.bool_]
    unfamiliarity: NDArray[np.floating] = field(default_factory=lambda: np.empty(0))
    is_known: bool = True


def calibrate(parts: Sequence[HeldOut], kind: Kind) -> Calibration:
    """The calibration under which the truth of held-out utterances is most likely.

    A temperature alone is fitted with every corpus counting the same and the choice among the classes of each corpus.
    One that grows with unfamiliarity is fitted likewise, but known corpora together count as much as the others.
    Biases are fitted with every utterance counting the same and the choice among all classes, because they are to say
    how likely a class is when nothing is known of a recording.

    Raises:
        CalibrationError: there is no utterance; for biases, also none of some class.
    """
    kept = [part.truth >= 0 for part in parts]
    if not any(rows.any() for rows in kept):
        raise CalibrationError("no held-out utterance to calibrate on")
    logits = np.concatenate([part.logits[rows] for part, rows in zip(parts, kept, strict=True)]).astype(np.float64)
    truth = np.concatenate([part.truth[rows] for part, rows in zip(parts, kept, strict=True)])
    names = tuple(part.corpus for part in parts)
    if kind == "biases":
        temperature, biases = fit_biases(logits, truth)
        return Calibration(temperature, tuple(map(float, biases)), names)
    owners = np.repeat(np.arange(len(parts)), [int(rows.sum()) for rows in kept])
    among_own = np.where(np.stack([part.own for part in parts])[owners], logits, -1e9)
    if kind == "familiarity":
        is_known = np.array([part.is_known for part in parts])
        group = np.where(is_known, is_known.sum(), (~is_known).sum())
        weights = 1.0 / (np.bincount(owners) * group)[owners]
        unfamiliarity = np.concatenate([part.unfamiliarity[rows] for part, rows in zip(parts, kept, strict=True)])
        return fit_growth(among_own, truth, weights, unfamiliarity, names)
    temperature = fit_temperature(among_own, truth, 1.0 / np.bincount(owners)[owners])
    return Calibration(temperature, (), names)


def fit_growth(
    logits: NDArray[np.float64],
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
    unfamiliarity: NDArray[np.floating],
    names: tuple[str, ...] = (),
) -> Calibration:
    """Temperature and growth under which ``truth`` is most likely.

    Args:
        logits: float64 [utterances, classes].
        truth: int64 [utterances].
        weights: float64 [utterances], how much each utterance counts.
        unfamiliarity: [utterances].
        names: corpora, for the calibration.
    """
    from scipy.optimize import minimize  # slow to import

    rows = np.arange(len(truth))

    def at(point: NDArray[np.float64]) -> Calibration:
        return Calibration(float(np.exp(point[0])), (), names, float(point[1]))

    def loss(point: NDArray[np.float64]) -> float:
        scaled = logits / at(point).temperatures(unfamiliarity)[:, None]
        scaled -= scaled.max(axis=1, keepdims=True)
        right = scaled[rows, truth] - np.log(np.exp(scaled).sum(axis=1))
        return float(-np.average(right, weights=weights))

    start = [np.log(fit_temperature(logits.astype(np.float32), truth, weights)), 0.5]
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-8}).x
    return at(np.round(found, 4))


def expected_classes(parts: Sequence[HeldOut], labels: Sequence[str]) -> dict[str, float]:
    """Share of each class that a network expects whose biases were fitted on ``parts``: that of their utterances."""
    truth = np.concatenate([part.truth[part.truth >= 0] for part in parts])
    shares = np.bincount(truth, minlength=len(labels)) / len(truth)
    return {label: round(share, 4) for label, share in zip(labels, shares.tolist(), strict=True)}


def fit_biases(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """Temperature and biases float64 [classes] under which ``truth`` is most likely; each utterance counts the same.

    The loss is convex in the inverse temperature and the biases, so there is one optimum.

    Args:
        logits: float64 [utterances, classes].
        truth: int64 [utterances].

    Raises:
        CalibrationError: some class has no utterance, so that its bias has no lower bound.
    """
    from scipy.optimize import minimize  # slow to import

    classes = logits.shape[1]
    if absent := set(range(classes)) - set(truth.tolist()):
        raise CalibrationError(f"{len(absent)} of {classes} classes have no held-out utterance to fit a bias on")
    rows, chosen = np.arange(len(truth)), np.eye(classes)[truth]

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = logits * point[0] + point[1:]
        scaled -= scaled.max(axis=1, keepdims=True)
        odds = np.exp(scaled)
        total = odds.sum(axis=1)
        error = odds / total[:, None] - chosen
        slope = np.concatenate([[(error * logits).sum()], error.sum(axis=0)]) / len(truth)
        return float(np.mean(np.log(total) - scaled[rows, truth])), slope

    bounds = [INVERSE_TEMPERATURES] + [BIASES] * classes
    start = np.concatenate([[1.0], np.zeros(classes)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(1.0 / found[0]), found[1:] - found[1:].mean()
