"""Trainings of an experiment, each kept on disk once it is whole: an experiment that is started again repeats none."""

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sklearn

from export.classifiers.answers import Predictions, answers_of
from export.classifiers.examples import split
from export.classifiers.head import Head, HeadError, read_head, write_head
from export.classifiers.recipe import Recipe
from export.classifiers.training import train_head
from export.features.table import FeatureTable


@dataclass(frozen=True)
class Training:
    """A trained classifier as it was read back, whether it was trained now or before.

    Attributes:
        answers: on devel and test, those of them that the table has.
        held_out_uar: of the chosen setting, on what the recipe selects by.
    """

    head: Head
    answers: list[Predictions]
    held_out_uar: float


class Trainings:
    """Trains, or finds what was trained before of the same features with the same recipe and seed.

    Args:
        folder: one folder a training is kept here.
        threads: settings of a grid that are tried at once.
        tell: takes a line for each training.

    Attributes:
        made, found: how many were trained, and how many were there.
    """

    def __init__(self, folder: Path, threads: int, tell: Callable[[str], None]) -> None:
        self.made = 0
        self.found = 0
        self._folder = folder
        self._threads = threads
        self._tell = tell

    def train(self, table: FeatureTable, recipe: Recipe) -> Training:
        """The classifier of ``table`` by ``recipe``.

        Raises:
            TrainingError: the features cannot be trained on.
            ValueError: the recipe refits: then no single classifier answers devel and test.
        """
        if recipe.refit:
            raise ValueError("experiments keep one classifier a training: a recipe that refits has two")
        digest = training_digest(table, recipe)
        networks = "+".join(backbone.network for backbone in table.origin.backbones)
        corpora = "+".join(sorted({name.partition("/")[0] for name in table.names}))
        what = f"{corpora}, {networks}"
        place = self._folder / f"{_plain(what)[:80]}-{digest}"
        began_s = time.monotonic()
        try:
            head = read_head(place)
            self.found += 1
            how = "was trained before"
        except HeadError:  # none there, or a damaged one
            _keep(train_head(table, recipe, self._threads).head, place)
            head = read_head(place)
            self.made += 1
            how = f"trained in {time.monotonic() - began_s:.1f} s"
        held_out_uar = max(cell.uar for cell in head.card.grid)
        about = f"{what}: {len(head.card.labels)} classes, {len(head.card.grid)} settings"
        self._tell(f"training {self.made + self.found}: {about}, {how}, held-out UAR {held_out_uar:.1%}")
        return Training(head, _answers(head, table), held_out_uar)


def training_digest(table: FeatureTable, recipe: Recipe) -> str:
    """Digest of what a training depends on, 16 hexadecimal digits: the whole table, the whole recipe, scikit-learn."""
    digest = hashlib.sha256(repr((recipe, sklearn.__version__, table.values.shape)).encode())
    for column in (table.names, table.speakers, table.partitions, table.labels, table.feature_names):
        digest.update("\n".join(column).encode() + b"\0")
    digest.update(table.values.tobytes())
    return digest.hexdigest()[:16]


def _keep(head: Head, place: Path) -> None:
    """Write the head so that ``place`` is either whole or not there, whenever the program is stopped."""
    partial = place.with_name(place.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    write_head(head, partial)
    shutil.rmtree(place, ignore_errors=True)
    partial.replace(place)


def _answers(head: Head, table: FeatureTable) -> list[Predictions]:
    parts = split(table)
    named = (("devel", parts.devel), ("test", parts.test))
    return [
        answers_of(part, head.probabilities(part.values), parts.labels, name)
        for name, part in named
        if part is not None
    ]


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9+]+", "-", text.lower()).strip("-")
