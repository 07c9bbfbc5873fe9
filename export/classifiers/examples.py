"""Training examples of a classifier, made of a table of features; unusable tables are refused here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.failures import UserError
from export.features.table import FeatureTable

PARTITIONS = ("train", "devel", "test")


class TrainingError(UserError):
    """Features that no classifier can be trained on; the message is one line."""


@dataclass(frozen=True)
class Examples:
    """Rows of one partition.

    Attributes:
        values: float64 [rows, features].
        targets: int64 [rows], index of the class.
        utterances: int64 [rows]; rows of one recording share a number, from 0 in order of appearance.
        speakers: speaker of each row.
        names: name of each utterance.
    """

    values: NDArray[np.float64]
    targets: NDArray[np.int64]
    utterances: NDArray[np.int64]
    speakers: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def utterance_targets(self) -> NDArray[np.int64]:
        """int64 [utterances], class of each recording."""
        _, first = np.unique(self.utterances, return_index=True)
        return self.targets[first]

    def rows(self, chosen: NDArray[np.bool_]) -> Examples:
        """The rows where ``chosen`` holds, with utterances counted anew."""
        places = np.flatnonzero(chosen)
        kept, utterances = np.unique(self.utterances[places], return_inverse=True)
        return Examples(
            self.values[places],
            self.targets[places],
            utterances.astype(np.int64),
            tuple(self.speakers[place] for place in places),
            tuple(self.names[place] for place in kept),
        )

    def joined(self, other: Examples) -> Examples:
        """The rows of both, which share no recording."""
        return Examples(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.targets, other.targets]),
            np.concatenate([self.utterances, other.utterances + len(self.names)]),
            self.speakers + other.speakers,
            self.names + other.names,
        )

    def mean_by_utterance(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of float64 [rows, classes] over the rows of each recording: float64 [utterances, classes]."""
        sums = np.zeros((len(self.names), scores.shape[1]))
        np.add.at(sums, self.utterances, scores)
        return sums / np.bincount(self.utterances, minlength=len(self.names))[:, None]


@dataclass(frozen=True)
class Split:
    """The partitions of a table and the classes of its training partition."""

    labels: tuple[str, ...]
    train: Examples
    devel: Examples | None
    test: Examples | None


def split(table: FeatureTable) -> Split:
    """Take the partitions of ``table`` apart.

    Raises:
        TrainingError: rows without label or partition, fewer than two classes, a feature that is not a finite
            number, a recording in two partitions or with two labels, or partitions whose classes differ.
    """
    _refuse_unusable(table)
    partitions = np.array(table.partitions)
    labels = tuple(sorted({table.labels[row] for row in np.flatnonzero(partitions == "train")}))
    if len(labels) < 2:
        raise TrainingError(f"a classifier needs two classes, 'train' has {len(labels)}: {', '.join(labels) or 'none'}")
    parts = {name: _examples(table, partitions == name, labels, name) for name in PARTITIONS}
    assert parts["train"] is not None
    _refuse_missing(parts["devel"], labels, "devel")
    return Split(labels, parts["train"], parts["devel"], parts["test"])


def _refuse_unusable(table: FeatureTable) -> None:
    for what, column in (("label", table.labels), ("partition", table.partitions)):
        empty = [name for name, text in zip(table.names, column, strict=True) if not text]
        if empty:
            raise TrainingError(f"{len(empty)} rows have no {what}, the first is of {empty[0]}")
    strange = sorted(set(table.partitions) - set(PARTITIONS))
    if strange:
        raise TrainingError(f"unknown partitions {', '.join(strange)}; known are {', '.join(PARTITIONS)}")
    if "train" not in table.partitions:
        raise TrainingError("no row is in the partition 'train'")
    unfinite = np.flatnonzero(~np.isfinite(table.values).all(axis=1))
    if unfinite.size:
        raise TrainingError(
            f"{unfinite.size} rows hold features that are not finite, the first is of {table.names[unfinite[0]]}"
        )
    known: dict[str, tuple[str, str]] = {}
    for name, about in zip(table.names, zip(table.labels, table.partitions, strict=True), strict=True):
        if known.setdefault(name, about) != about:
            raise TrainingError(f"{name} is both {' in '.join(known[name])} and {' in '.join(about)}")


def _examples(table: FeatureTable, chosen: NDArray[np.bool_], labels: Sequence[str], name: str) -> Examples | None:
    if not chosen.any():
        return None
    part = table.rows(chosen)
    unknown = sorted(set(part.labels) - set(labels))
    if unknown:
        raise TrainingError(f"the class {', '.join(unknown)} is in '{name}' but missing from 'train'")
    numbers = {text: number for number, text in enumerate(dict.fromkeys(part.names))}
    return Examples(
        part.values.astype(np.float64),
        np.array([labels.index(label) for label in part.labels], dtype=np.int64),
        np.array([numbers[text] for text in part.names], dtype=np.int64),
        part.speakers,
        tuple(numbers),
    )


def _refuse_missing(part: Examples | None, labels: Sequence[str], name: str) -> None:
    missing = [label for place, label in enumerate(labels) if part is not None and place not in part.targets]
    if missing:
        raise TrainingError(f"the class {', '.join(missing)} is in 'train' but missing from '{name}'")
