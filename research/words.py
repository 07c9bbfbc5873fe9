"""Bags of audio words for the matrix of conditions: the codebook of the training condition quantises all (D8, D15)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from export.audio_words.codebook import Descriptors, audio_words_grid
from export.classifiers.recipe import Recipe
from export.features.origin import Backbone, Origin
from export.features.table import FeatureTable
from research.conditions import CONDITIONS, Condition
from research.matrix import training_table
from research.trainings import Training, Trainings
from service.card import Licence

OWN_LICENCE = Licence(spdx="CC0-1.0", commercial_use=True)


@dataclass(frozen=True)
class Grid:
    """Sizes of the codebook, assignments of a frame, and the seed that frames are drawn with."""

    sizes: tuple[int, ...]
    assignments: tuple[int, ...]
    seed: int


Tables = dict[Condition, FeatureTable]


def bag_tables(
    model: Mapping[Condition, FeatureTable],
    descriptors: Mapping[Condition, Sequence[Descriptors]],
    trained_on: Condition,
    grid: Grid,
) -> Iterator[tuple[int, int, Tables]]:
    """Bags of all conditions by codebooks of the training recordings of one.

    Args:
        model: tables of the same recordings, whose descriptions are taken over.
        descriptors: of each recording, in the order of the tables.

    Yields:
        Size, assignments and the tables.
    """
    seen = np.array(training_table(model[trained_on]).partitions) == "train"
    training = [frames for frames, is_seen in zip(descriptors[trained_on], seen, strict=True) if is_seen]
    everything = [frames for condition in CONDITIONS for frames in descriptors[condition]]
    for size, count, bags in audio_words_grid(training, everything, grid.seed, grid.sizes, grid.assignments):
        origin = Origin(backbones=[_backbone(size, count)], data=model[trained_on].origin.data)
        names = tuple(f"word_{index}" for index in range(size))
        parts = np.split(bags, len(CONDITIONS))
        yield (
            size,
            count,
            {
                condition: replace(model[condition], values=part, feature_names=names, origin=origin)
                for condition, part in zip(CONDITIONS, parts, strict=True)
            },
        )


def choose_bags(
    bags: Iterator[tuple[int, int, Tables]], trained_on: Condition, recipes: Mapping[str, Recipe], trainings: Trainings
) -> dict[str, tuple[Tables, Training]]:
    """For each recipe the size and assignments with the best UAR over folds of the training speakers.

    The test partition is never looked at.

    Args:
        recipes: by any name; every bag is made once for all of them.
    """
    best: dict[str, tuple[Tables, Training]] = {}
    for _, _, tables in bags:
        for name, recipe in recipes.items():
            trained = trainings.train(training_table(tables[trained_on]), recipe)
            if name not in best or trained.held_out_uar > best[name][1].held_out_uar:
                best[name] = tables, trained
    if not best:
        raise ValueError("no number of assignments fits a size of the codebook")
    return best


def _backbone(size: int, count: int) -> Backbone:
    return Backbone(kind="unknown", network=f"bag-of-audio-words {size}/{count}", licence=OWN_LICENCE, dimensions=size)
