"""Tables of action units: OpenFace 2.x CSV and the ``;`` separated AVEC form, read into arrays.

Columns are found by name, so old tables (no ``face_id``, blanks after commas) and new ones read alike.
Only the time, the confidence, the 17 intensities and, where present, frame, face and success are looked at.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.unit_scale import ACTION_UNITS, within_scale
from service.problems import (
    ColumnsMissing,
    FeaturesInvalid,
    MediaEmpty,
    MediaTooLong,
    TimestampsInvalid,
    TooManyFrames,
    Unprocessable,
)
from service.settings import Limits

FaceChoice = Literal["largest"] | int
"""The largest face, or the one with this ``face_id``."""

LEAST_RATE_HZ, GREATEST_RATE_HZ = 5.0, 200.0
"""Range of frame rates that cameras have; time stamps of other rates count as broken."""

MIN_STEP_S, MAX_STEP_S = 1 / GREATEST_RATE_HZ, 1 / LEAST_RATE_HZ
"""The same range, as seconds between two frames."""

_TIME_NAMES: Final = ("timestamp", "frameTime")
"""Names of the column of times: OpenFace's and AVEC's."""

_SIZE_NAME: Final = "p_scale"
"""Name of the scale of OpenFace's face model, proportional to the size of the face in the picture."""


@dataclass(frozen=True)
class ActionUnitTable(FaceSeries):
    """One face of one recording, as a tool saw it.

    Attributes:
        face: the chosen ``face_id``, or 0 in a table without that column.
        faces: every ``face_id`` of the table, ascending.
    """

    face: int
    faces: tuple[int, ...]


def read_action_unit_table(
    content: bytes, limits: Limits, *, fps: float | None = None, face: FaceChoice = "largest"
) -> ActionUnitTable:
    """Read one table.

    Args:
        content: the file's bytes, UTF-8 with or without a byte order mark.
        limits: ``max_frames``, ``max_duration_s`` and ``min_duration_s`` are applied.
        fps: frames per second that replace the time stamps, 5…200.
        face: ``'largest'`` (greatest sum of confidence times size) or a ``face_id``.

    Raises:
        MediaEmpty: no bytes, or a header alone.
        ColumnsMissing: needed columns are absent; the detail names them.
        TimestampsInvalid: time stamps that no camera makes, and no ``fps``.
        TooManyFrames, MediaTooLong: beyond the limits.
        FeaturesInvalid: anything else that makes the table unusable.
        Unprocessable: ``fps`` out of range.
    """
    if fps is not None and not LEAST_RATE_HZ <= fps <= GREATEST_RATE_HZ:
        raise Unprocessable(f"fps must lie between {LEAST_RATE_HZ:g} and {GREATEST_RATE_HZ:g}.", pointer="/fps")
    values = _read_columns(content, limits, fps)
    chosen, faces, keep = _choose_face(values, face)
    values = {name: column[keep] for name, column in values.items()}
    confidence = within_scale(values["confidence"], "confidence", 1.0)
    units = np.stack([within_scale(values[f"{unit}_r"], f"{unit}_r") for unit in ACTION_UNITS], axis=1)
    tracked = values["success"] > 0.5 if "success" in values else confidence > 0.0
    time_s = _frame_times(values, fps)
    if time_s[-1] > limits.max_duration_s:
        raise MediaTooLong(f"The table is longer than {limits.max_duration_s:g} s.")
    return ActionUnitTable(time_s, confidence, units, tracked, chosen, faces)


def _read_columns(content: bytes, limits: Limits, fps: float | None) -> dict[str, NDArray[np.float64]]:
    """Parse the needed columns, float64 [rows] each, all finite."""
    if not content.strip():
        raise MediaEmpty("The table is empty.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FeaturesInvalid("The table is not UTF-8 text.") from None
    header_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        header = [name.strip() for name in next(row for row in reader if row)]
        positions = _positions(header, fps)
        columns: dict[str, list[float]] = {name: [] for name in positions}
        count = 0
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            count += 1
            if count > limits.max_frames:
                raise TooManyFrames(f"The table has more than {limits.max_frames} rows.")
            if len(row) != len(header):
                raise FeaturesInvalid(f"Row {count} has {len(row)} cells, the header has {len(header)}.")
            for name, position in positions.items():
                columns[name].append(_number(row[position], name, count))
    except csv.Error:
        raise FeaturesInvalid("The table is not well-formed CSV.") from None
    if not count:
        raise MediaEmpty("The table has a header and no rows.")
    return {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}


def _positions(header: list[str], fps: float | None) -> dict[str, int]:
    """Index of each column that is used; the time goes by ``timestamp`` whatever the table calls it."""
    needed = ["confidence", *(f"{unit}_r" for unit in ACTION_UNITS)]
    missing = [name for name in needed if name not in header]
    time_name = next((name for name in _TIME_NAMES if name in header), None)
    if time_name is None and (fps is None or "frame" not in header):
        missing.insert(0, "timestamp")
    if missing:
        raise ColumnsMissing(f"The table lacks: {', '.join(missing)}.")
    used = [*needed, *(name for name in ("frame", "face_id", "success", _SIZE_NAME) if name in header)]
    if any(header.count(name) > 1 for name in used):
        raise FeaturesInvalid("A column that is needed occurs more than once.")
    positions = {name: header.index(name) for name in used}
    if time_name is not None:
        positions["timestamp"] = header.index(time_name)
    return positions


def _number(cell: str, name: str, row: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise FeaturesInvalid(f"{name} in row {row} is not a number.") from None
    if not math.isfinite(value):
        raise FeaturesInvalid(f"{name} in row {row} is not finite.")
    return value


def _choose_face(
    values: dict[str, NDArray[np.float64]], face: FaceChoice
) -> tuple[int, tuple[int, ...], NDArray[np.bool_]]:
    """The chosen face, all faces, and which rows are its own."""
    rows = values["confidence"].size
    identities = values.get("face_id", np.zeros(rows))
    if np.any(np.abs(identities) > 2**31) or np.any(identities != np.round(identities)):
        raise FeaturesInvalid("face_id must be a whole number.")
    found, which = np.unique(identities.astype(np.int64), return_inverse=True)
    faces = tuple(int(identity) for identity in found)
    if face == "largest":
        size = np.maximum(values.get(_SIZE_NAME, np.ones(rows)), 0.0)
        presence = np.bincount(which, weights=np.clip(values["confidence"], 0.0, 1.0) * size)
        index = int(np.argmax(presence))
    elif face in faces:
        index = faces.index(face)
    else:
        raise FeaturesInvalid("The table has no rows of that face.", pointer="/face")
    return faces[index], faces, which == index


def _frame_times(values: dict[str, NDArray[np.float64]], fps: float | None) -> NDArray[np.float64]:
    """Seconds of each row: from ``fps`` where given, else from the time stamps after checking them."""
    if fps is not None:
        # Frames of a lost face are absent from tables of several faces: the frame's number keeps the gap.
        numbers = values["frame"] - 1.0 if "frame" in values else np.arange(values["confidence"].size, dtype=np.float64)
        if np.any(np.diff(numbers) <= 0.0) or numbers[0] < 0.0:
            raise FeaturesInvalid("The frame numbers do not increase from 1.")
        return numbers / fps
    time_s = values["timestamp"]
    advice = "Give 'fps' to replace the time stamps."
    if time_s[0] < 0.0:
        raise TimestampsInvalid(f"The first time stamp is negative. {advice}")
    if time_s.size == 1:
        raise FeaturesInvalid("A single frame holds no time series.")
    step_s = np.diff(time_s)
    if np.any(step_s <= 0.0):
        raise TimestampsInvalid(f"The time stamps do not increase from row to row. {advice}")
    typical_s = float(np.median(step_s))
    if not MIN_STEP_S <= typical_s <= MAX_STEP_S:
        raise TimestampsInvalid(
            f"The time stamps step by {typical_s * 1000:.4g} ms, which no camera does "
            f"({MIN_STEP_S * 1000:g} to {MAX_STEP_S * 1000:g} ms). {advice}"
        )
    return time_s
