"""Tables of features as CSV (RFC 4180, UTF-8); numbers in as many digits as bring back the same float32."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.features.table import DESCRIPTION_COLUMNS, FeatureTable, FeatureTableError, RawTable

FLOAT32_FORMAT = "%.9g"
"""9 significant digits tell any two float32 apart."""


def write(table: FeatureTable, file: Path) -> None:
    """Write a header and one line a row."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow([*DESCRIPTION_COLUMNS, *table.feature_names])
        for row in range(len(table)):
            writer.writerow([*described(table, row), *(FLOAT32_FORMAT % value for value in table.values[row].tolist())])


def described(table: FeatureTable, row: int) -> list[str]:
    """The fields of :data:`DESCRIPTION_COLUMNS` of one row, as text."""
    times = (repr(float(table.start_s[row])), repr(float(table.end_s[row])))
    return [table.names[row], table.speakers[row], table.partitions[row], table.labels[row], *times]


def read(file: Path) -> RawTable:
    """Read a table whose first line names its columns.

    Raises:
        FeatureTableError: a line has another number of fields, or a feature is not a number.
    """
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        header = next(reader, [])
        rows = list(reader)
    return split_rows(header, rows, file)


def split_rows(header: list[str], rows: list[list[str]], file: Path) -> RawTable:
    """Take descriptions and features of text rows apart.

    Raises:
        FeatureTableError: see :func:`read`.
    """
    wrong = next((number for number, row in enumerate(rows) if len(row) != len(header)), None)
    if wrong is not None:
        raise FeatureTableError(f"{file}: row {wrong + 1} has {len(rows[wrong])} fields, not {len(header)}")
    doubles = len(header) - len(set(header))
    if doubles:
        raise FeatureTableError(f"{file}: {doubles} columns have the name of another")
    features = [place for place, name in enumerate(header) if name not in DESCRIPTION_COLUMNS]
    descriptions: dict[str, Sequence[str]] = {
        name: [row[place] for row in rows] for place, name in enumerate(header) if place not in features
    }
    values = np.empty((len(rows), len(features)), dtype=np.float32)
    for number, row in enumerate(rows):
        try:
            values[number] = [float(row[place]) for place in features]
        except ValueError as error:
            raise FeatureTableError(f"{file}: row {number + 1}: {error}") from error
    return descriptions, values, [header[place] for place in features]
