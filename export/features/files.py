"""Tables of features as files: CSV, ARFF or Parquet, by the suffix of their name."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.features import arff, comma_separated, parquet
from export.features.origin import origin_file, read_origin
from export.features.table import FeatureTable, FeatureTableError, RawTable

SUFFIXES = (".csv", ".arff", ".parquet")


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


def check_suffix(file: Path) -> None:
    """Refuse a file name whose format is not known.

    Raises:
        FeatureTableError: the suffix is none of :data:`SUFFIXES`.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise FeatureTableError(f"{file}: features are written as {', '.join(SUFFIXES)}, not as '{file.suffix}'")


def _writer(file: Path) -> Callable[[FeatureTable, Path], None]:
    check_suffix(file)
    return {".csv": comma_separated.write, ".arff": arff.write, ".parquet": parquet.write}[file.suffix.lower()]


def _reader(file: Path) -> Callable[[Path], RawTable]:
    check_suffix(file)
    return {".csv": comma_separated.read, ".arff": arff.read, ".parquet": parquet.read}[file.suffix.lower()]


def _times(column: Sequence[str] | None, rows: int, file: Path) -> NDArray[np.float64]:
    if column is None:
        return np.zeros(rows)
    try:
        return np.array([float(value) for value in column], dtype=np.float64)
    except ValueError as error:
        raise FeatureTableError(f"{file}: a time is not a number: {error}") from error
