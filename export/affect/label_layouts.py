"""Continuous ratings of faces as corpora publish them, found in a folder and read onto the grid of the answers.

- Own tables, AVEC's, and SEWA as AVEC gave it (https://github.com/AudioVisualEmotionChallenge/AVEC2019):
  ``labels/NAME.csv``.
- RECOLA (https://diuf.unifr.ch/main/diva/recola/): ``emotional_behaviour/arousal/P16.csv``, the same below ``valence``.
- Aff-Wild2 (https://ibug.doc.ic.ac.uk/resources/aff-wild2/): ``VA_Estimation_Challenge/Train_Set/NAME.txt``, and
  ``Validation_Set``.
- AFEW-VA (https://ibug.doc.ic.ac.uk/resources/afew-va-database/): ``001/001.json``.

Corpora that rate frames do not tell their rate; the table of features, which has a row a frame, does.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.affect.avec_folders import partition_of, read_labels, read_rows, to_numbers
from export.affect.sequences import TARGETS, Partition
from service.pipeline.affect.functionals import time_grid
from service.pipeline.face.action_unit_table import read_action_unit_table
from service.problems import Problem
from service.settings import Limits

Series = dict[str, NDArray[np.float32]]
"""Ratings by target, float32 [steps] in −1…1; NaN where nobody rated."""

LABEL_FOLDER = "labels"
AFFWILD_FOLDER, AFFWILD_SETS = "VA_Estimation_Challenge", {"Train_Set": "train", "Validation_Set": "devel"}
RECOLA_FOLDER = "emotional_behaviour"
AFEW_SCALE = 10.0
"""Largest rating of AFEW-VA, whose ratings are whole numbers."""

NOT_RATED = -1.0
"""Aff-Wild2 writes a number below the scale, −5, for a frame that nobody rated."""


@dataclass(frozen=True)
class Rated:
    """The ratings of one recording.

    Attributes:
        partition: that its corpus states, or None.
        read: from the recording's table of features and the hop in seconds; raises ValueError where a file is unusable.
    """

    partition: Partition | None
    read: Callable[[Path, float], Series]


def rated_in(corpus: Path) -> Mapping[str, Rated]:
    """The rated recordings of a folder by name, in the first layout that fits.

    Raises:
        ValueError: none does.
    """
    for layout in (_own, _recola, _affwild, _afew):
        found = layout(corpus)
        if found:
            return found
    raise ValueError(
        f"{corpus} has ratings in no layout that is known: {LABEL_FOLDER}/*.csv (own tables, AVEC, SEWA), "
        f"{RECOLA_FOLDER}/arousal/*.csv (RECOLA), {AFFWILD_FOLDER}/*/*.txt (Aff-Wild2), 001/001.json (AFEW-VA)"
    )


def _own(corpus: Path) -> dict[str, Rated]:
    return rated_tables(corpus / LABEL_FOLDER)


def rated_tables(folder: Path) -> dict[str, Rated]:
    """The recordings of a folder of tables with times, ours or AVEC's, by name; none where it holds none."""
    files = sorted(folder.glob("*.csv"))
    return {file.stem: Rated(partition_of(file.stem), partial(_read_own, file)) for file in files}


def _read_own(file: Path, features: Path, hop_s: float) -> Series:
    del features  # such tables have times of their own
    return read_labels(file, hop_s)


def _recola(corpus: Path) -> dict[str, Rated]:
    roots = [root for root in (corpus, *sorted(corpus.glob("*"))) if (root / RECOLA_FOLDER / "arousal").is_dir()]
    if not roots:
        return {}
    folder = roots[0] / RECOLA_FOLDER
    files = sorted((folder / "arousal").glob("*.csv"))
    return {file.stem: Rated(None, partial(_read_recola, folder, file.name)) for file in files}


def _read_recola(folder: Path, name: str, features: Path, hop_s: float) -> Series:
    """The mean of the raters, column by column after ``time``, every 40 ms."""
    del features
    found: Series = {}
    for target in TARGETS:
        file = folder / target / name
        if not file.is_file():
            raise ValueError(f"{file}: RECOLA rates arousal and valence, and this file is missing")
        header, *rows = read_rows(file)
        if header[0].lower() != "time" or len(header) < 2:
            raise ValueError(
                f"{file}: the first line of RECOLA's ratings is time;FM1;FM2;…, not {';'.join(header)[:40]}"
            )
        numbers = to_numbers(file, rows, list(range(len(header))))
        time_s, ratings = numbers[:, 0], numbers[:, 1:].mean(axis=1)
        if np.any(np.diff(time_s) <= 0):
            raise ValueError(f"{file}: the times of the ratings do not increase")
        found[target] = _in_scale(file, np.interp(time_grid(float(time_s[-1]), hop_s), time_s, ratings))
    steps = min(len(series) for series in found.values())
    return {target: series[:steps] for target, series in found.items()}


def _affwild(corpus: Path) -> dict[str, Rated]:
    roots = [root for root in (corpus, *sorted(corpus.glob("*"))) if (root / AFFWILD_FOLDER).is_dir()]
    found: dict[str, Rated] = {}
    for name, partition in AFFWILD_SETS.items() if roots else ():
        for file in sorted((roots[0] / AFFWILD_FOLDER / name).glob("*.txt")):
            stated: Partition = "train" if partition == "train" else "devel"
            found[file.stem] = Rated(stated, partial(_read_affwild, file))
    return found


def _read_affwild(file: Path, features: Path, hop_s: float) -> Series:
    """A line a frame below 'valence,arousal'."""
    header, *rows = read_rows(file)
    if [name.lower() for name in header] != ["valence", "arousal"]:
        raise ValueError(
            f"{file}: the first line of Aff-Wild2's ratings is valence,arousal, not {','.join(header)[:40]}"
        )
    ratings = to_numbers(file, rows, [0, 1])
    ratings[(ratings < NOT_RATED).any(axis=1)] = np.nan
    return _of_frames(file, features, {"valence": ratings[:, 0], "arousal": ratings[:, 1]}, hop_s)


def _afew(corpus: Path) -> dict[str, Rated]:
    files = [folder / f"{folder.name}.json" for folder in sorted(corpus.glob("*")) if folder.name.isdigit()]
    return {file.stem: Rated(None, partial(_read_afew, file)) for file in files if file.is_file()}


def _read_afew(file: Path, features: Path, hop_s: float) -> Series:
    """The member ``frames``: by a frame's number its ``valence`` and ``arousal``, −10…10."""
    try:
        frames = json.loads(file.read_text(encoding="utf-8"))["frames"]
        numbers = sorted(frames, key=int)
        rated = {name: np.array([float(frames[frame][name]) for frame in numbers]) / AFEW_SCALE for name in TARGETS}
        if [int(frame) for frame in numbers] != list(range(len(numbers))):
            raise ValueError("frames are missing")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: not AFEW-VA's frames with valence and arousal ({error})") from error
    return _of_frames(file, features, rated, hop_s)


def _of_frames(file: Path, features: Path, rated: Mapping[str, NDArray[np.float64]], hop_s: float) -> Series:
    """Ratings of frames at the frame rate of the table of features, on the grid; NaN near a frame that is not rated."""
    count = len(next(iter(rated.values())))
    try:
        time_s = read_action_unit_table(features.read_bytes(), Limits()).time_s
    except Problem as problem:
        raise ValueError(f"{features.name}: {problem.detail}") from problem
    step_s = float(np.median(np.diff(time_s)))
    if not count or abs(count - (round(time_s[-1] / step_s) + 1)) > max(2, 0.02 * count):
        raise ValueError(f"{file}: {count} frames are rated, {features.name} tells of {round(time_s[-1] / step_s) + 1}")
    frames_s = np.arange(count) * step_s
    grid_s = time_grid(float(frames_s[-1]), hop_s)
    return {target: _in_scale(file, np.interp(grid_s, frames_s, values)) for target, values in rated.items()}


def _in_scale(file: Path, values: NDArray[np.float64]) -> NDArray[np.float32]:
    if np.nanmax(np.abs(values), initial=0.0) > 1:
        raise ValueError(f"{file}: ratings lie outside of their scale")
    return values.astype(np.float32)
