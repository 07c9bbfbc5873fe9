"""A table of features, one row an utterance or a window, in memory and as CSV, ARFF or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.features.origin import Origin, origin_file, read_origin

DESCRIPTION_COLUMNS = ("name", "speaker", "partition", "label", "start_s", "end_s")
"""What precedes the features in every row."""

SUFFIXES = (".csv", ".arff", ".parquet")


class FeatureTableError(ValueError):
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

    def rows(self, chosen: NDArray[np.bool_]) -> FeatureTable:
        """The rows where ``chosen`` holds."""
        return self.at(np.flatnonzero(chosen))

    def at(self, places: NDArray[np.intp]) -> FeatureTable:
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


def write_table(table: FeatureTable, file: Path) -> None:
    """Write ``table`` in the format that the suffix of ``file`` names, and its origin beside it.

    Raises:
        FeatureTableError: the suffix is none of :data:`SUFFIXES`.
    """
    write = _writer(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    write(table, file)
    origin_file(file).write_text(table.origin.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_table(file: Path) -> FeatureTable:
    """Read a table; columns of :data:`DESCRIPTION_COLUMNS` other than 'name' may be missing.

    Raises:
        FeatureTableError: the file is missing, of no known format, damaged, or has no features.
        OriginError: see :func:`export.features.origin.read_origin`.
    """
    if not file.is_file():
        raise FeatureTableError(f"{file}: no such file")
    columns, values, feature_names = _reader(file)(file)
    if "name" not in columns:
        raise FeatureTableError(f"{file}: no column 'name'")
    if not feature_names or not len(values):
        raise FeatureTableError(f"{file}: no {'features' if len(values) else 'rows'}")
    empty = ("",) * len(values)
    return FeatureTable(
        names=tuple(columns["name"]),
        speakers=tuple(columns.get("speaker", empty)),
        partitions=tuple(columns.get("partition", empty)),
        labels=tuple(columns.get("label", empty)),
        start_s=_times(columns.get("start_s"), len(values), file),
        end_s=_times(columns.get("end_s"), len(values), file),
        values=values,
        feature_names=tuple(feature_names),
        origin=read_origin(file, len(feature_names)),
    )


RawTable = tuple[dict[str, Sequence[str]], NDArray[np.float32], Sequence[str]]
"""Descriptions by column as text, features float32 [rows, features], names of the features."""


def check_suffix(file: Path) -> None:
    """Refuse a file name whose format is not known.

    Raises:
        FeatureTableError: the suffix is none of :data:`SUFFIXES`.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise FeatureTableError(f"{file}: features are written as {', '.join(SUFFIXES)}, not as '{file.suffix}'")


def _writer(file: Path) -> Callable[[FeatureTable, Path], None]:
    check_suffix(file)
    from export.features import arff, comma_separated, parquet

    return {".csv": comma_separated.write, ".arff": arff.write, ".parquet": parquet.write}[file.suffix.lower()]


def _reader(file: Path) -> Callable[[Path], RawTable]:
    check_suffix(file)
    from export.features import arff, comma_separated, parquet

    return {".csv": comma_separated.read, ".arff": arff.read, ".parquet": parquet.read}[file.suffix.lower()]


def _times(column: Sequence[str] | None, rows: int, file: Path) -> NDArray[np.float64]:
    if column is None:
        return np.zeros(rows)
    try:
        return np.array([float(value) for value in column], dtype=np.float64)
    except ValueError as error:
        raise FeatureTableError(f"{file}: a time is not a number: {error}") from error
