"""DISFA as its publisher gives it (http://mohammadmahoor.com/disfa/): intensities of 12 units, coded by hand.

``ActionUnit_Labels/SN001/SN001_au1.txt`` has a line a frame, its number from 1 and the intensity 0…5. The video is that
of the left camera, ``LeftVideoSN001_comp.avi``, wherever it lies below the corpus.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.unit_scale import ACTION_UNITS, MAX_INTENSITY

LABELS = "ActionUnit_Labels"
UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
RATE_HZ = 20.0
"""Frames a second of its videos."""

VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".mkv", ".webm")


def disfa_pairs(corpus: Path) -> list[tuple[Path, Path]]:
    """Videos and folders of labels of one person each, sorted; none where the corpus is no DISFA.

    Raises:
        ValueError: it is, and no video of it is at hand.
    """
    folders = sorted(folder for folder in (corpus / LABELS).glob("SN*") if folder.is_dir())
    pairs = []
    for folder in folders:
        named = sorted(corpus.rglob(f"LeftVideo{folder.name}_*"))
        videos = [path for path in named if path.suffix.lower() in VIDEO_SUFFIXES]
        pairs += [(videos[0], folder)] if videos else []
    if folders and not pairs:
        raise ValueError(
            f"{corpus} has labels of DISFA, and no video of its left camera, LeftVideo{folders[0].name}_comp.avi"
        )
    return pairs


def read_disfa(folder: Path, rate_hz: float | None = None) -> FaceSeries:
    """The coded intensities of one person; NaN for units that DISFA does not code.

    Args:
        folder: of the files of its units.
        rate_hz: frames a second; None takes :data:`RATE_HZ`.

    Raises:
        ValueError: a file is missing, cut, or holds something else; the message names it.
    """
    columns = {f"AU{unit:02d}": _read(folder / f"{folder.name}_au{unit}.txt") for unit in UNITS}
    counts = {len(values) for values in columns.values()}
    if len(counts) > 1:
        raise ValueError(
            f"{folder}: its units are coded in {min(counts)} to {max(counts)} frames; all must have as many"
        )
    unknown = np.full(counts.pop(), np.nan)
    units = np.stack([columns.get(name, unknown) for name in ACTION_UNITS], axis=1)
    time_s = np.arange(len(units)) / (rate_hz or RATE_HZ)
    return FaceSeries(time_s, np.ones(len(units)), units, np.ones(len(units), np.bool_))


def _read(file: Path) -> NDArray[np.float64]:
    """Intensities of one unit, frame by frame."""
    if not file.is_file():
        raise ValueError(f"{file}: DISFA codes 12 units, and this file is missing")
    rows = [row for row in csv.reader(file.read_text(encoding="utf-8-sig").splitlines()) if row]
    try:
        numbers = np.array([[float(row[0]), float(row[1])] for row in rows])
        frames, intensities = numbers[:, 0], numbers[:, 1]
    except (ValueError, IndexError) as error:
        raise ValueError(f"{file}: not lines of a frame's number and an intensity") from error
    if not np.array_equal(frames, np.arange(1, len(frames) + 1)):
        raise ValueError(f"{file}: the frames are not numbered from 1 on, one by one")
    if not ((intensities >= 0) & (intensities <= MAX_INTENSITY)).all():
        raise ValueError(f"{file}: an intensity is not 0 to {MAX_INTENSITY:g}")
    return intensities
