"""Training one linear classifier: search, final fit, answers, card."""

import platform
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sklearn

from export.classifiers.answers import Predictions, answers_of
from export.classifiers.examples import Split, TrainingError, split
from export.classifiers.fitting import fit, prepare
from export.classifiers.head import GridCell, Head, HeadCard
from export.classifiers.licences import data_licence, strictest
from export.classifiers.probabilities import LINKS, link_of, probabilities
from export.classifiers.recipe import Recipe
from export.classifiers.selection import Trial, held_out_temperature, search
from export.features.table import FeatureTable
from service import __version__
from service.card import TrainingData

CONSTANT = 1e-12


@dataclass(frozen=True)
class Trained:
    """A head, what it answers on devel (before any refit) and test, and the best trial.

    Attributes:
        uncalibrated: the same answers by scikit-learn's own probabilities, where a temperature takes their place.
    """

    head: Head
    answers: list[Predictions]
    uncalibrated: list[Predictions]
    best: Trial


def train_head(
    table: FeatureTable,
    recipe: Recipe,
    threads: int,
    test_table: FeatureTable | None = None,
    progress: Callable[[], None] | None = None,
) -> Trained:
    """Search the grid, fit the best setting, answer devel and test.

    Predictions on devel come from the classifier that saw train alone, also where the final one is refitted on both.

    Args:
        test_table: its partition 'test' takes the place of that of ``table``: another condition (D15).

    Raises:
        TrainingError: the features cannot be trained on.
    """
    parts = _parts(table, test_table)
    best, trials = search(parts, recipe, threads, progress)
    on_train = best.fitted or fit(prepare(parts.train, recipe), best.setting, recipe)
    final = on_train
    if recipe.refit and parts.devel is not None:
        final = fit(prepare(parts.train.joined(parts.devel), recipe), best.setting, recipe)
    card = _card(table, parts, recipe, best, trials)
    before, head = Head(on_train.linear, card), Head(final.linear, card)
    judged = [("devel", parts.devel, before), ("test", parts.test, head)]
    answers, uncalibrated = [], []
    for name, part, judge in judged:
        if part is None:
            continue
        answers.append(answers_of(part, judge.probabilities(part.values), parts.labels, name))
        if card.link != LINKS[card.loss]:
            plain = probabilities(judge.linear.scores(part.values), LINKS[card.loss])
            uncalibrated.append(answers_of(part, plain, parts.labels, name))
    return Trained(head, answers, uncalibrated, best)


def _parts(table: FeatureTable, test_table: FeatureTable | None) -> Split:
    if test_table is None:
        return split(table)
    if test_table.feature_names != table.feature_names:
        raise TrainingError("the features of the test table are not those of the training table")
    tests = np.array(test_table.partitions) == "test"
    if not tests.any():
        raise TrainingError("no row of the test table is in the partition 'test'")
    return split(_put_together(table.rows(np.array(table.partitions) != "test"), test_table.rows(tests)))


def _put_together(first: FeatureTable, second: FeatureTable) -> FeatureTable:
    return FeatureTable(
        names=first.names + second.names,
        speakers=first.speakers + second.speakers,
        partitions=first.partitions + second.partitions,
        labels=first.labels + second.labels,
        start_s=np.concatenate([first.start_s, second.start_s]),
        end_s=np.concatenate([first.end_s, second.end_s]),
        values=np.concatenate([first.values, second.values]),
        feature_names=first.feature_names,
        origin=first.origin,
    )


def _card(table: FeatureTable, parts: Split, recipe: Recipe, best: Trial, trials: list[Trial]) -> HeadCard:
    origin, setting = table.origin, best.setting
    link = link_of(setting.loss, recipe.calibration)
    licences = [backbone.licence for backbone in origin.backbones] + [data_licence(entry) for entry in origin.data]
    return HeadCard(
        labels=list(parts.labels),
        loss=setting.loss,
        penalty=setting.penalty,
        strength=setting.strength,
        link=link,
        temperature=held_out_temperature(best) if link == "softmax" else 1.0,
        calibration=recipe.calibration,
        scaling=recipe.scaling,
        recipe=recipe.name,
        selection=recipe.selection,
        folds=recipe.folds if recipe.selection == "speaker-folds" else None,
        epochs=recipe.epochs,
        tolerance=recipe.tolerance,
        oversampling=recipe.oversampling,
        class_weight=recipe.class_weight,
        refit=recipe.refit and parts.devel is not None,
        seed=recipe.seed,
        grid=[
            GridCell(
                loss=trial.setting.loss,
                penalty=trial.setting.penalty,
                strength=trial.setting.strength,
                uar=round(trial.uar, 6),
                converged=trial.converged,
            )
            for trial in trials
        ],
        dimensions=table.values.shape[1],
        backbones=origin.backbones,
        window_s=_longest_row_s(table),
        training_data=_trained_on(origin.data, parts, recipe.refit),
        licence=strictest(licences),
        notes=_notes(table, parts, best, recipe),
        exporter={"emoserve": __version__, "scikit-learn": sklearn.__version__, "python": platform.python_version()},
    )


def _trained_on(data: list[TrainingData], parts: Split, refit: bool) -> list[TrainingData]:
    """``data`` with the recordings and speakers that the classifier itself saw, not those of the whole corpora."""
    seen = parts.train.joined(parts.devel) if refit and parts.devel is not None else parts.train
    entries = []
    for entry in data:
        recordings = sum(name.startswith(f"{entry.name}/") for name in seen.names)
        speakers = len({speaker for speaker in seen.speakers if speaker.startswith(f"{entry.name}/")})
        entries.append(entry.model_copy(update={"utterances": recordings, "speakers": speakers or None}))
    return entries


def _longest_row_s(table: FeatureTable) -> float:
    """Longest stretch that a training row stands for, but no longer than the networks take."""
    longest = float((table.end_s - table.start_s)[np.array(table.partitions) == "train"].max())
    limits = [backbone.max_length_s for backbone in table.origin.backbones if backbone.max_length_s > 0]
    return min([longest, *limits])


def _notes(table: FeatureTable, parts: Split, best: Trial, recipe: Recipe) -> list[str]:
    notes = []
    constant = int((np.ptp(parts.train.values, axis=0) <= CONSTANT).sum())
    if constant:
        notes.append(f"{constant} of {table.values.shape[1]} features never change in training.")
    if not best.converged:
        notes.append("The chosen setting did not come to rest within its epochs.")
    held_out = "devel" if recipe.selection == "devel" else "the held-out folds"
    if LINKS[best.setting.loss] == "softmax":
        notes.append(
            f"The loss '{best.setting.loss}' defines no probabilities: they are a softmax of the scores, whose "
            f"temperature was fitted on {held_out}."
        )
    elif recipe.calibration == "temperature":
        notes.append(
            f"Probabilities are a softmax of the scores, whose temperature was fitted on {held_out}, in place of "
            "scikit-learn's own."
        )
    if table.origin.left_out:
        notes.append(f"{len(table.origin.left_out)} recordings were left out, too short or silent.")
    if any(backbone.kind == "opensmile" for backbone in table.origin.backbones):
        notes.append("Its features are openSMILE's, which is licensed for research and personal use: not commercial.")
    return notes
