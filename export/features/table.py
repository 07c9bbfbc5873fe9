"""A table of features in memory, one row an utterance or a window."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.failures import UserError
from export.features.origin import Origin

DESCRIPTION_COLUMNS = ("name", "speaker", "partition", "label", "start_s", "end_s")
"""Columns that precede the features in every row."""


class FeatureTableError(UserError):
    """A table that cannot be read, written or used; the message names it and the cause."""


@dataclass(frozen=True)
class FeatureTable:
    """Rows of features and what is known of them.

    Attributes:
        names: recording of each row, as 'corpus/file'; windows of one recording share it.
        speakers, partitions, labels: of each row; '' where unknown.
        start_s, end_s: float64 [rows], where in the recording the row lies.
        values: float32 [rows, features].
        feature_names: of the columns of ``values``.
        origin: what made them.
    """

    names: tuple[str, ...]
    speakers: tuple[str, ...]
    partitions: tuple[str, ...]
    labels: tuple[str, ...]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    values: NDArray[np.float32]
    feature_names: tuple[str, ...]
    origin: Origin

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.names, self.speakers, self.partitions, self.labels, self.start_s)}
        if lengths != {len(self.values)} or self.values.shape[1] != len(self.feature_names):
            raise FeatureTableError("columns of different lengths")

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, chosen: NDArray[np.bool_]) -> "FeatureTable":
        """The rows where ``chosen`` holds."""
        return self.at(np.flatnonzero(chosen))

    def at(self, places: NDArray[np.intp]) -> "FeatureTable":
        """The rows at ``places``, in that order."""

        def take(column: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(column[place] for place in places)

        return replace(
            self,
            names=take(self.names),
            speakers=take(self.speakers),
            partitions=take(self.partitions),
            labels=take(self.labels),
            start_s=self.start_s[places],
            end_s=self.end_s[places],
            values=self.values[places],
        )


RawTable = tuple[dict[str, Sequence[str]], NDArray[np.float32], Sequence[str]]
"""Descriptions by column as text, features float32 [rows, features], names of the features."""
