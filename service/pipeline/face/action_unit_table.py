"""Tables of action units: OpenFace 2.x CSV and the ``;`` separated AVEC form, read into arrays.

Columns are found by name, so old tables (no ``face_id``, blanks after commas) and new ones read alike.
Only the confidence, the 17 intensities, the time or the frame, and, where present, face and success are looked at.
Time counts from the first row of the table. Rows in which the tool lost the face may leave their numbers out.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.table_cells import Columns, read_table
from service.pipeline.face.unit_scale import ACTION_UNITS, within_scale
from service.problems import ColumnsMissing, FeaturesInvalid, MediaTooLong, TimestampsInvalid, Unprocessable
from service.settings import Limits

FaceChoice = Literal["largest"] | int
"""The largest face, or the one with this ``face_id``."""

LEAST_RATE_HZ, GREATEST_RATE_HZ = 5.0, 200.0
"""Range of frame rates that cameras have; time stamps of other rates count as broken."""

MIN_STEP_S, MAX_STEP_S = 1 / GREATEST_RATE_HZ, 1 / LEAST_RATE_HZ
"""The same range, as seconds between two frames."""

_TIME_NAMES: Final = ("timestamp", "frameTime")
"""Names of the column of times: OpenFace's and AVEC's."""

_ADVICE: Final = "Give 'fps' to replace the time stamps."

_SIZE_NAME: Final = "p_scale"
"""Name of the scale of OpenFace's face model, proportional to the size of the face in the picture."""


@dataclass(frozen=True)
class ActionUnitTable(FaceSeries):
    """One face of one recording, as a tool saw it.

    Attributes:
        face: the chosen ``face_id``, or 0 in a table without that column.
        faces: every ``face_id`` of the table, ascending.
        offset_s: the time stamp of the table's first row, from which the times count; without a usable one, the time
            of its frame number at ``fps``.
        duration_s: time of the table's last row, whichever face it is about.
    """

    face: int
    faces: tuple[int, ...]
    offset_s: float
    duration_s: float


def read_action_unit_table(
    content: bytes, limits: Limits, *, fps: float | None = None, face: FaceChoice = "largest"
) -> ActionUnitTable:
    """Read one table.

    Args:
        content: the file's bytes, UTF-8 with or without a byte order mark.
        limits: ``max_frames``, ``max_duration_s`` and ``min_duration_s`` are applied.
        fps: frames per second that replace the time stamps, 5…200. No time stamp is refused then.
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
    table = read_table(content, lambda header: _names(header, fps), limits.max_frames)
    values = dict(table.numbers)
    tracked = _tracked(values)
    _fill_lost_rows(values, tracked)
    clock_s, offset_s = _clock(values, fps, table.first_row)
    chosen, faces, keep = _choose_face(values, face)
    time_s = clock_s[keep]
    _check_order(time_s, fps)
    seen = tracked[keep]
    confidence = within_scale(values["confidence"][keep], "confidence", 1.0)
    units = np.stack([within_scale(values[f"{unit}_r"][keep], f"{unit}_r") for unit in ACTION_UNITS], axis=1)
    duration_s = float(clock_s.max())
    if duration_s > limits.max_duration_s:
        raise MediaTooLong(f"The table is longer than {limits.max_duration_s:g} s.")
    return ActionUnitTable(time_s, confidence, units, seen, chosen, faces, offset_s, duration_s)


def _names(header: list[str], fps: float | None) -> dict[str, str]:
    """The columns that are used: the name that they go by here, and the table's."""
    needed = ["confidence", *(f"{unit}_r" for unit in ACTION_UNITS)]
    missing = [name for name in needed if name not in header]
    time_name = next((name for name in _TIME_NAMES if name in header), None)
    if time_name is None and (fps is None or "frame" not in header):
        missing.insert(0, "timestamp")
    if missing:
        raise ColumnsMissing(f"The table lacks: {', '.join(missing)}.")
    used = {name: name for name in (*needed, "face_id", "success", _SIZE_NAME) if name in header}
    if fps is None and time_name is not None:
        used["timestamp"] = time_name
    elif "frame" in header:
        used["frame"] = "frame"
    return used


def _tracked(values: Columns) -> NDArray[np.bool_]:
    """Rows in which the tool saw the face, bool [rows]. A cell without a number means that it did not."""
    return values["success"] > 0.5 if "success" in values else values["confidence"] > 0.0


def _fill_lost_rows(values: Columns, tracked: NDArray[np.bool_]) -> None:
    """Put zeros where a lost row lacks a number; no other row may lack one, nor any row its time.

    Raises:
        FeaturesInvalid: a number is missing.
    """
    for name, column in values.items():
        bad = ~np.isfinite(column)
        if name == "success" or not bad.any():
            continue
        if name == "face_id" and len(known := np.unique(column[~bad])) == 1:
            values[name] = np.where(bad & ~tracked, known[0], column)
        elif name not in ("timestamp", "frame", "face_id"):
            values[name] = np.where(bad & ~tracked, 0.0, column)
        left = np.flatnonzero(~np.isfinite(values[name]))
        if left.size:
            advice = f" {_ADVICE}" if name == "timestamp" else ""
            raise FeaturesInvalid(f"{name} in row {left[0] + 1} is not finite.{advice}")


def _choose_face(values: Columns, face: FaceChoice) -> tuple[int, tuple[int, ...], NDArray[np.bool_]]:
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


def _clock(values: Columns, fps: float | None, first_row: dict[str, float]) -> tuple[NDArray[np.float64], float]:
    """Seconds of each row from the first row on, float64 [rows], and the first row's own time."""
    if fps is None:
        stamps = values["timestamp"]
        return np.round(stamps - stamps[0], 6), float(stamps[0])
    # Frames of a lost face are absent from tables of several faces: the frame's number keeps the gap.
    numbers = values["frame"] if "frame" in values else np.arange(values["confidence"].size, dtype=np.float64)
    stamp_s = next((first_row[name] for name in _TIME_NAMES if name in first_row), math.nan)
    counted_s = (float(numbers[0]) - 1.0) / fps if "frame" in values else 0.0
    return (numbers - numbers[0]) / fps, stamp_s if math.isfinite(stamp_s) else counted_s


def _check_order(time_s: NDArray[np.float64], fps: float | None) -> None:
    """Refuse times that no camera makes, and a single frame without ``fps``."""
    step_s = np.diff(time_s)
    if fps is not None:
        if np.any(step_s <= 0.0) or time_s[0] < 0.0:
            raise FeaturesInvalid("The frame numbers do not increase from row to row.")
        return
    if time_s.size == 1:
        raise FeaturesInvalid("A single frame holds no time series.")
    if np.any(step_s <= 0.0) or time_s[0] < 0.0:
        raise TimestampsInvalid(f"The time stamps do not increase from row to row. {_ADVICE}")
    typical_s = float(np.median(step_s))
    if not MIN_STEP_S <= typical_s <= MAX_STEP_S:
        raise TimestampsInvalid(
            f"The time stamps step by {typical_s * 1000:.4g} ms, which no camera does "
            f"({MIN_STEP_S * 1000:g} to {MAX_STEP_S * 1000:g} ms). {_ADVICE}"
        )
