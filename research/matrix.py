"""The matrix of training and test conditions (D15, Tables 5–9 of D) for one set of features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from export.classifiers.answers import Predictions, answers_of
from export.classifiers.examples import TrainingError, split
from export.classifiers.recipe import RECIPES, Recipe
from export.features.table import FeatureTable
from research import published
from research.classes import Classes
from research.conditions import CONDITIONS, Condition
from research.tables import Cell
from research.trainings import Training, Trainings

OVERSAMPLING = {"Un.": None, "Ov.": 0.75}
"""Oversampling of classes (D14)."""

Tables = Mapping[Condition, FeatureTable]


@dataclass(frozen=True)
class Cells:
    """One set of features, classes and balancing, judged in every pair of conditions.

    Attributes:
        answers: (test condition, training condition) to the answers on the partition 'test'.
        setting: what was chosen for each training condition.
    """

    features: str
    classes: Classes
    balancing: str
    answers: Mapping[tuple[Condition, Condition], Predictions]
    setting: str

    @property
    def uar(self) -> tuple[tuple[float, ...], ...]:
        """UARs: a row a test condition, a column a training condition, in the order of ``CONDITIONS``."""
        return tuple(tuple(self.answers[test, train].uar for train in CONDITIONS) for test in CONDITIONS)

    @property
    def test_recordings(self) -> int:
        """How many recordings each UAR is of."""
        return len(self.answers["clean", "clean"].names)


def training_table(table: FeatureTable) -> FeatureTable:
    """The table with devel put into train: D13 has no devel, it selects over folds of speakers."""
    return replace(table, partitions=tuple("train" if name == "devel" else name for name in table.partitions))


def recipe_of(balancing: str, seed: int, alphas: tuple[float, ...] | None = None) -> Recipe:
    """D13's recipe, with or without D14's oversampling."""
    recipe = replace(RECIPES["cummins"], oversampling=OVERSAMPLING[balancing], seed=seed)
    return replace(recipe, strengths=alphas) if alphas else recipe


def train_all(tables: Tables, recipe: Recipe, trainings: Trainings) -> dict[Condition, Training]:
    """A classifier for each training condition."""
    return {condition: trainings.train(training_table(table), recipe) for condition, table in tables.items()}


def cross(name: str, classes: Classes, balancing: str, tables: Tables, trained: Mapping[Condition, Training]) -> Cells:
    """Judge every test condition by the classifier of every training condition."""
    return crossed(name, classes, balancing, dict.fromkeys(tables, tables), trained)


def crossed(
    name: str,
    classes: Classes,
    balancing: str,
    judged: Mapping[Condition, Tables],
    trained: Mapping[Condition, Training],
) -> Cells:
    """As :func:`cross`, where features depend on the training condition (the codebook of D15).

    Args:
        judged: training condition to the features of every condition.
    """
    answers = {
        (test, train): _answers(judged[train][test], trained[train]) for test in CONDITIONS for train in CONDITIONS
    }
    chosen = "; ".join(_choice(condition, trained[condition]) for condition in CONDITIONS)
    return Cells(name, classes, balancing, answers, chosen)


def rows_of(corpus: str, cells: Cells) -> Iterator[dict[str, Cell]]:
    """A row a test condition, with the paper's row beside it."""
    printed = published.CONDITIONS[cells.features, cells.classes.kind, cells.balancing]
    for place, test in enumerate(CONDITIONS):
        row: dict[str, Cell] = {
            "corpus": corpus,
            "features": cells.features,
            "classes": cells.classes.name,
            "balancing": cells.balancing,
            "test": test,
        }
        row |= {
            f"trained {name} UAR %": round(100 * value, 1)
            for name, value in zip(CONDITIONS, cells.uar[place], strict=True)
        }
        row["paper (other corpus) %"] = " / ".join(f"{100 * value:.1f}" for value in printed[place])
        row["n"] = cells.test_recordings
        row["chosen"] = cells.setting
        yield row


def _choice(condition: Condition, trained: Training) -> str:
    network = trained.head.card.backbones[0].network
    words = network.partition(" ")[2]  # size and assignments of a bag of audio words
    return f"{condition} {words + ', ' if words else ''}α {trained.head.card.strength:g}"


def _answers(table: FeatureTable, trained: Training) -> Predictions:
    test = split(training_table(table)).test
    if test is None:
        raise TrainingError("no row is in the partition 'test'")
    labels = trained.head.card.labels
    return answers_of(test, trained.head.probabilities(test.values.astype(np.float64)), labels, "test")
