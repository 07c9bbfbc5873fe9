"""The cells of a table as numbers: comma, semicolon or tab between them, decimal point or decimal comma."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.problems import FeaturesInvalid, MediaEmpty, TooManyFrames

Columns = dict[str, NDArray[np.float64]]
"""float64 [rows] by name; NaN or an infinity where a cell holds no finite number."""

DELIMITERS: Final = (",", ";", "\t")
"""Characters between cells; the one that the header has most of counts, the first of equals."""

_ABSENT: Final = frozenset({"", "na", "n/a", "nan", "none", "null"})
"""Words that programs write where there is no number, in lower case."""

_DECIMAL_COMMA: Final = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Table:
    """The columns of a table that were asked for.

    Attributes:
        numbers: by the name that was asked for.
        first_row: every cell of the first row that is a number, by the header's name.
    """

    numbers: Columns
    first_row: dict[str, float]


def read_table(content: bytes, names: Callable[[list[str]], dict[str, str]], max_rows: int) -> Table:
    """Read some columns.

    Args:
        content: the file's bytes, UTF-8 with or without a byte order mark.
        names: told the header, gives the columns to read: the name that each will have, and the header's.
        max_rows: most rows.

    Raises:
        MediaEmpty: no bytes, or a header alone.
        TooManyFrames: more rows than ``max_rows``.
        FeaturesInvalid: no UTF-8, no table, or a cell that is no number.
        Problem: whatever ``names`` raises.
    """
    if not content.strip():
        raise MediaEmpty("The table is empty.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FeaturesInvalid("The table is not UTF-8 text.") from None
    header_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        header = [name.strip() for name in next(row for row in reader if row)]
        columns, first = _columns(reader, header, names(header), delimiter, max_rows)
    except csv.Error:
        raise FeaturesInvalid("The table is not well-formed CSV.") from None
    return Table({name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}, first)


def _columns(
    reader: Iterator[list[str]], header: list[str], used: dict[str, str], delimiter: str, max_rows: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """The cells below the header, and the first row."""
    if any(header.count(name) > 1 for name in used.values()):
        raise FeaturesInvalid("A column that is needed occurs more than once.")
    positions = {name: header.index(column) for name, column in used.items()}
    columns: dict[str, list[float]] = {name: [] for name in used}
    first: dict[str, float] = {}
    count = 0
    for row in reader:
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        count += 1
        if count > max_rows:
            raise TooManyFrames(f"The table has more than {max_rows} rows.")
        if len(row) != len(header):
            raise FeaturesInvalid(_uneven(count, row, header, delimiter))
        if count == 1:
            first = _numbers_of(row, header, delimiter)
        for name, position in positions.items():
            columns[name].append(_number(row[position], name, count, delimiter))
    if not count:
        raise MediaEmpty("The table has a header and no rows.")
    return columns, first


def _uneven(count: int, row: list[str], header: list[str], delimiter: str) -> str:
    """Refusal of a row that is longer or shorter than the header, with its likely cause."""
    said = f"Row {count} has {len(row)} cells, the header has {len(header)}."
    if delimiter == "," and len(row) > len(header):
        said += " Numbers with a decimal comma need semicolons or tabs between the cells."
    return said


def _numbers_of(row: list[str], header: list[str], delimiter: str) -> dict[str, float]:
    numbers = {}
    for name, cell in zip(header, row, strict=True):
        try:
            numbers[name] = _number(cell, name, 1, delimiter)
        except FeaturesInvalid:
            continue
    return numbers


def _number(cell: str, name: str, row: int, delimiter: str) -> float:
    """A cell as a number; NaN where it is empty or says that there is none.

    Raises:
        FeaturesInvalid: it is no number.
    """
    try:
        return float(cell)
    except ValueError:
        text = cell.strip()
    if text.lower() in _ABSENT:
        return math.nan
    if delimiter != "," and _DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    raise FeaturesInvalid(f"{name} in row {row} is not a number.")
