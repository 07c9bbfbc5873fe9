"""The matrix of training and test conditions (D15, Tables 5–9 of D) for one set of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from export.classifiers.answers import Answers, answers_of
from export.classifiers.examples import TrainingError, split
from export.classifiers.recipe import RECIPES, Recipe
from export.classifiers.training import Trained, train_head
from export.corpora.labels import PLANE
from export.evaluation.metrics import proportion_z_test, unweighted_average_recall
from export.experiments import published
from export.experiments.conditions import CONDITIONS, Condition
from export.experiments.tables import Cell
from export.features.table import FeatureTable

OVERSAMPLING = {"Un.": None, "Ov.": 0.75}
"""D14."""

Tables = Mapping[Condition, FeatureTable]


@dataclass(frozen=True)
class Cells:
    """UARs of one set of features, classes and balancing.

    Attributes:
        uar: a row a test condition, a column a training condition, in the order of ``CONDITIONS``.
        test_recordings: how many recordings each UAR is of.
        setting: what was chosen for each training condition.
    """

    features: str
    classes: str
    balancing: str
    uar: tuple[tuple[float, ...], ...]
    test_recordings: int
    setting: str


def two_classes(table: FeatureTable) -> FeatureTable:
    """Negative emotions against all others (as NEG and IDL of D10).

    Raises:
        TrainingError: an emotion whose valence is not known.
    """
    unknown = sorted(set(table.labels) - PLANE.keys())
    if unknown:
        raise TrainingError(f"the valence of {', '.join(unknown)} is not known")
    return replace(table, labels=tuple("NEG" if PLANE[name][1] == "negative" else "IDL" for name in table.labels))


def training_table(table: FeatureTable) -> FeatureTable:
    """The table with devel put into train: D13 has no devel, it selects over folds of speakers."""
    return replace(table, partitions=tuple("train" if name == "devel" else name for name in table.partitions))


def recipe_of(balancing: str, seed: int, alphas: tuple[float, ...] | None = None) -> Recipe:
    """D13's recipe, with or without D14's oversampling."""
    recipe = replace(RECIPES["cummins"], oversampling=OVERSAMPLING[balancing], seed=seed)
    return replace(recipe, strengths=alphas) if alphas else recipe


def train_all(tables: Tables, recipe: Recipe, threads: int) -> dict[Condition, Trained]:
    """A classifier for each training condition."""
    return {condition: train_head(training_table(table), recipe, threads) for condition, table in tables.items()}


def cross(name: str, classes: str, balancing: str, tables: Tables, trained: Mapping[Condition, Trained]) -> Cells:
    """Judge every test condition by the classifier of every training condition."""
    return crossed(name, classes, balancing, dict.fromkeys(tables, tables), trained)


def crossed(
    name: str, classes: str, balancing: str, judged: Mapping[Condition, Tables], trained: Mapping[Condition, Trained]
) -> Cells:
    """As :func:`cross`, where features depend on the training condition (the codebook of D15).

    Args:
        judged: training condition to the features of every condition.
    """
    answers = {
        (test, train): _answers(judged[train][test], trained[train]) for test in CONDITIONS for train in CONDITIONS
    }
    rows = tuple(tuple(_uar(answers[test, train]) for train in CONDITIONS) for test in CONDITIONS)
    chosen = "; ".join(_choice(condition, trained[condition]) for condition in CONDITIONS)
    return Cells(name, classes, balancing, rows, len(answers["clean", "clean"].names), chosen)


def rows_of(corpus: str, cells: Cells) -> Iterator[dict[str, Cell]]:
    """A row a test condition, with the paper's row beside it."""
    kind = "2" if cells.classes == "2" else "all"
    printed = published.CONDITIONS[cells.features, kind, cells.balancing]
    for place, test in enumerate(CONDITIONS):
        row: dict[str, Cell] = {
            "corpus": corpus,
            "features": cells.features,
            "classes": cells.classes,
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


def best_matched(corpus: str, cells: list[Cells]) -> list[dict[str, Cell]]:
    """Deep Spectrum's best matched result against that of every other set, by the two-sided z-test (D16, D17)."""
    rows = []
    for classes in dict.fromkeys(entry.classes for entry in cells):
        for place, condition in enumerate(CONDITIONS):
            best: dict[str, float] = {}
            for entry in cells:
                if entry.classes == classes:
                    best[entry.features] = max(best.get(entry.features, 0.0), entry.uar[place][place])
            n = cells[0].test_recordings
            ours = best.pop("Deep Spectrum")
            for name, other in best.items():
                row: dict[str, Cell] = {"corpus": corpus, "classes": classes, "condition": condition, "against": name}
                row |= {"Deep Spectrum %": round(100 * ours, 1), "other %": round(100 * other, 1)}
                row["z-test p"] = round(proportion_z_test(ours, n, other, n), 4)
                rows.append(row)
    return rows


def _choice(condition: Condition, trained: Trained) -> str:
    network = trained.head.card.backbones[0].network
    words = network.partition(" ")[2]  # size and assignments of a bag of audio words
    return f"{condition} {words + ', ' if words else ''}α {trained.best.setting.strength:g}"


def _answers(table: FeatureTable, trained: Trained) -> Answers:
    test = split(training_table(table)).test
    if test is None:
        raise TrainingError("no row is in the partition 'test'")
    labels = trained.head.card.labels
    return answers_of(test, trained.head.probabilities(test.values.astype(np.float64)), labels, "test")


def _uar(part: Answers) -> float:
    return unweighted_average_recall(part.targets, part.answers, len(part.labels))
