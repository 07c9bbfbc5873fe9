"""Files of the AVEC 2018 and 2019 packages, and plain label tables, read into arrays at 10 Hz.

Features come as tables of units per frame (OpenFace CSV, or the ``;`` separated ``visual_features``), or as
finished functionals (``visual_features_functionals``: name, time, 18 means, 18 deviations, no header; E5).
Labels come with a header (2019, or any table with ``arousal`` or ``valence``) or without (2018: name, time,
arousal, valence, liking).
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.affect.sequences import TARGETS, Partition
from service.pipeline.affect.columns import COLUMNS, SIGNALS
from service.pipeline.affect.functionals import HOP_S, WINDOW_S, affect_features, time_grid
from service.pipeline.face.action_unit_table import read_action_unit_table
from service.problems import Problem
from service.settings import Limits

LABEL_COLUMNS_2018 = ("name", "timestamp", "arousal", "valence", "liking")
TIME_NAMES = ("timestamp", "time_s", "time", "frameTime")


def partition_of(name: str) -> Partition | None:
    """Partition that a file's name begins with, as in ``Train_DE_01``, or None."""
    start = name.split("_", 1)[0].lower()
    partitions: dict[str, Partition] = {"train": "train", "devel": "devel", "dev": "devel", "test": "test"}
    return partitions.get(start)


def read_features(
    path: Path,
    *,
    turn: NDArray[np.float64] | None = None,
    fps: float | None = None,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
) -> NDArray[np.float32]:
    """The 37 columns of one file, float32 [steps, 37].

    Args:
        path: a table of units per frame, or functionals.
        turn: float64 [steps], see ``read_turns``; None for zeros.
        fps: replaces the time stamps of a table of units.
        window_s, hop_s: windows of a table of units; functionals keep those that they were made with.

    Raises:
        ValueError: the file is neither, or unusable; the message names it.
    """
    content = path.read_bytes()
    if b"_r" in content.split(b"\n", 1)[0]:
        try:
            table = read_action_unit_table(content, Limits(), fps=fps)
        except Problem as problem:
            raise ValueError(f"{path.name}: {problem.detail}") from problem
        return affect_features(table, turn=turn, window_s=window_s, hop_s=hop_s).columns
    return _functionals(path, turn)


def read_labels(path: Path, hop_s: float = HOP_S) -> dict[str, NDArray[np.float32]]:
    """Labels of one recording on the grid 0, hop, …: of each target found, float32 [steps].

    Labels at other times are interpolated linearly.

    Raises:
        ValueError: no arousal and no valence, no time, or cells that are not numbers.
    """
    rows = read_rows(path)
    headed = any(target in rows[0] for target in TARGETS)
    header = rows.pop(0) if headed else list(LABEL_COLUMNS_2018)
    if not headed and len(rows[0]) != len(header):
        raise ValueError(f"{path.name}: labels without a header need {len(header)} columns")
    time_name = next((name for name in TIME_NAMES if name in header), None)
    if time_name is None:
        raise ValueError(f"{path.name}: labels need a column of times: {', '.join(TIME_NAMES)}")
    time_s = to_numbers(path, rows, [header.index(time_name)])[:, 0]
    if np.any(np.diff(time_s) <= 0):
        raise ValueError(f"{path.name}: the times of the labels do not increase")
    grid_s = time_grid(float(time_s[-1]), hop_s)
    return {
        target: np.interp(grid_s, time_s, to_numbers(path, rows, [header.index(target)])[:, 0]).astype(np.float32)
        for target in TARGETS
        if target in header
    }


def read_turns(path: Path, steps: int, hop_s: float = HOP_S) -> NDArray[np.float64]:
    """Speaker turn from a table of stretches of speech, start and end in seconds; float64 [steps], 0 or 1.

    Raises:
        ValueError: cells that are not numbers, below a header at most.
    """
    rows = read_rows(path)
    if not _is_number(rows[0][0]):
        rows.pop(0)
    turn = np.zeros(steps)
    for start_s, end_s in to_numbers(path, rows, [0, 1]) if rows else []:
        turn[max(round(start_s / hop_s), 0) : max(round(end_s / hop_s), 0) + 1] = 1.0
    return turn


def _functionals(path: Path, turn: NDArray[np.float64] | None) -> NDArray[np.float32]:
    rows = read_rows(path)
    if not _is_number(rows[0][-1]):
        rows.pop(0)
    width = len(rows[0]) - 2 if rows else 0
    if width not in (2 * len(SIGNALS), len(COLUMNS)):
        raise ValueError(
            f"{path.name}: neither a table with AU01_r to AU45_r nor functionals with name, time and "
            f"{2 * len(SIGNALS)} or {len(COLUMNS)} values"
        )
    columns = np.zeros((len(rows), len(COLUMNS)), np.float32)
    columns[:, :width] = to_numbers(path, rows, list(range(2, 2 + width)))
    if turn is not None:
        columns[: turn.size, -1] = turn[: len(rows)]
    return columns


def read_rows(path: Path) -> list[list[str]]:
    """Cells of a table between commas or semicolons, at least one row. Raises ValueError if it is empty."""
    text = path.read_text(encoding="utf-8-sig")
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    rows = [[cell.strip() for cell in row] for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        raise ValueError(f"{path.name}: the file is empty")
    return rows


def to_numbers(path: Path, rows: list[list[str]], columns: list[int]) -> NDArray[np.float64]:
    """Some columns of rows, float64 [rows, columns]. Raises ValueError if a cell is no finite number."""
    try:
        values = np.array([[float(row[column]) for column in columns] for row in rows], dtype=np.float64)
    except (ValueError, IndexError):
        raise ValueError(f"{path.name}: a cell is missing or not a number") from None
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"{path.name}: no rows, or values that are not finite")
    return values


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
