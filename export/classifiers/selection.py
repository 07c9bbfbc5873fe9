"""Selection of a setting of the grid: by UAR on devel (A21, C3), or over folds of speakers (D13)."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.classifiers.answers import served_answers
from export.classifiers.examples import Examples, Split, TrainingError
from export.classifiers.fitting import Fit, Prepared, fit, prepare
from export.classifiers.probabilities import LINKS, probabilities
from export.classifiers.recipe import Recipe, Setting
from export.evaluation.metrics import fit_temperature, unweighted_average_recall


@dataclass(frozen=True)
class Trial:
    """One setting and its UAR on held-out rows.

    Attributes:
        scores: float64 [rows, classes] on the held-out rows.
        held_out: the held-out rows.
        converged: whether every fit came to rest.
        fitted: the classifier itself, where a single one was fitted.
    """

    setting: Setting
    uar: float
    scores: NDArray[np.float64]
    held_out: Examples
    converged: bool
    fitted: Fit | None


def search(
    parts: Split, recipe: Recipe, threads: int, progress: Callable[[], None] | None = None
) -> tuple[Trial, list[Trial]]:
    """Try the whole grid; returns the best trial (the first of equals) and all of them.

    Raises:
        TrainingError: what the selection needs is not there.
    """
    rounds = [(prepare(fitted_on, recipe), held_out) for fitted_on, held_out in _rounds(parts, recipe)]

    def one(setting: Setting) -> Trial:
        trial = _try(setting, rounds, recipe)
        if progress:
            progress()
        return trial

    # liblinear draws from one generator of the whole process: two fits at once would not be repeatable.
    with ThreadPoolExecutor(1 if "svm" in recipe.losses else threads) as pool:
        try:
            trials = list(pool.map(one, recipe.grid))
        except BaseException:  # stopped by the user, say: what has not begun need not be waited for
            pool.shutdown(cancel_futures=True)
            raise
    return max(trials, key=lambda trial: trial.uar), trials


def speaker_folds(speakers: Sequence[str], folds: int) -> NDArray[np.int64]:
    """Fold of each row: speakers in order of their names, cut into ``folds`` runs of equal numbers (D13).

    Raises:
        TrainingError: speakers are not known, or fewer than folds.
    """
    if "" in speakers:
        raise TrainingError("speaker-independent folds need the speaker of every row")
    names = sorted(set(speakers))
    if not 2 <= folds <= len(names):
        raise TrainingError(f"{folds} folds cannot be made of {len(names)} speakers")
    fold_of = {name: place * folds // len(names) for place, name in enumerate(names)}
    return np.array([fold_of[speaker] for speaker in speakers])


def held_out_temperature(trial: Trial) -> float:
    """Temperature of a softmax of the scores, fitted on what was held out and never on test (Guo 2017).

    Scores have any unit; they are measured in their standard deviation first.
    """
    unit = float(trial.scores.std()) or 1.0
    return unit * fit_temperature((trial.scores / unit).astype(np.float32), trial.held_out.targets)


Round = tuple[Examples, Examples]
"""Pairs of the rows that are fitted on and the rows held out."""


def _rounds(parts: Split, recipe: Recipe) -> list[Round]:
    if recipe.selection == "devel":
        if parts.devel is None:
            raise TrainingError("no row is in the partition 'devel'; select over folds of speakers instead")
        return [(parts.train, parts.devel)]
    fold = speaker_folds(parts.train.speakers, recipe.folds)
    rounds = [(parts.train.rows(fold != number), parts.train.rows(fold == number)) for number in range(recipe.folds)]
    for number, (fitted_on, _) in enumerate(rounds):
        missing = sorted(set(range(len(parts.labels))) - set(fitted_on.targets.tolist()))
        if missing:
            names = ", ".join(parts.labels[place] for place in missing)
            raise TrainingError(f"the class {names} is missing from fold {number + 1}'s training speakers")
    return rounds


def _try(setting: Setting, rounds: Sequence[tuple[Prepared, Examples]], recipe: Recipe) -> Trial:
    fits = [fit(fitted_on, setting, recipe) for fitted_on, _ in rounds]
    scores = [one.linear.scores(held_out.values) for one, (_, held_out) in zip(fits, rounds, strict=True)]
    recalls = [_uar(setting, score, held_out) for score, (_, held_out) in zip(scores, rounds, strict=True)]
    together = rounds[0][1]
    for _, held_out in rounds[1:]:
        together = together.joined(held_out)
    return Trial(
        setting=setting,
        uar=float(np.mean(recalls)),
        scores=np.concatenate(scores),
        held_out=together,
        converged=all(one.converged for one in fits),
        fitted=fits[0] if len(fits) == 1 else None,
    )


def _uar(setting: Setting, scores: NDArray[np.float64], held_out: Examples) -> float:
    """UAR over recordings, of the answer that is served: the largest mean probability.

    Before a temperature is fitted, scores of hinge losses are averaged as they are.
    """
    link = LINKS[setting.loss]
    shares = scores if link == "softmax" else probabilities(scores, link)
    answers = served_answers(held_out.mean_by_utterance(shares))
    return unweighted_average_recall(held_out.utterance_targets, answers)
