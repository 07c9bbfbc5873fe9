"""Scoring action units on videos beside tables of another tool or of human coders."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from export.faces.bp4d import bp4d_tasks
from export.faces.disfa import disfa_pairs, read_disfa
from service.card import read_card
from service.pipeline.affect.functionals import WINDOW_S, moving_statistics, time_grid
from service.pipeline.decoding.decode import Decoder
from service.pipeline.face.action_unit_table import read_action_unit_table
from service.pipeline.face.action_units import ActionUnitModel
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import Neutral
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.video.video_faces import VideoFaces
from service.problems import Problem
from service.registry import Bundle, BundleError, Registry
from service.settings import Limits, Settings

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv")
RESTING_PERCENTILE = 10.0
"""Percentile of a recording that counts as rest on either side, before levels are compared."""
PRESENT = 1.0
"""Intensity from which a unit counts as present (FACS' A to B)."""
MOVING = 0.2
"""Least deviation of a reference's frames; a unit that moves less lies within the reference's own noise."""
DECODING_S = 3600.0


@dataclass(frozen=True)
class UnitScore:
    """How one unit follows the reference.

    Attributes:
        correlation, rank_correlation: Pearson and Spearman of the 1 s moving means at lag 0, mean over the recordings
            in which the reference moves; None without any.
        deviation: of the reference's frames, mean over recordings.
        level, reference_level: means over all frames after each recording's 10th percentile is taken out.
        f1: of frames at intensity 1 and more; None where neither side has one.
        intraclass: correlation ICC(3,1) of all frames; None where neither side moves.
    """

    correlation: float | None
    rank_correlation: float | None
    deviation: float
    level: float
    reference_level: float
    f1: float | None
    intraclass: float | None


@contextmanager
def unit_reader(bundle: Path, faces: Path) -> Iterator[Callable[[bytes], FaceSeries]]:
    """Everything that turns a video into the action units of its largest face.

    Args:
        bundle: folder of the action-unit bundle.
        faces: folder in which a face bundle lies, with the mesh that ``bundle`` takes.

    Raises:
        ValueError: there is no such face bundle.
        BundleError, Problem: a bundle or a video cannot be used.
    """
    card = read_card(bundle)
    units = ActionUnitModel(Bundle(card, bundle))
    found = Registry.load(Settings(model_dirs=[faces])).of_task("face")
    fitting = [one for one in found if one.card.settings.get("mesh_points") == card.settings["mesh_points"]]
    if not fitting:
        raise ValueError(f"{faces} has no face bundle of {card.settings['mesh_points']} points")
    networks = FaceNetworks(fitting[-1])
    decoder = Decoder(Limits(), 1)
    decoder.start()

    def read(video: bytes) -> FaceSeries:
        watched = VideoFaces(networks, units, Neutral("median"))
        decoder.video(video, watched.look, timeout_s=DECODING_S)
        return watched.chosen("largest").series

    try:
        yield read
    finally:
        decoder.close()
        networks.close()


@dataclass(frozen=True)
class Coded:
    """A video beside what a tool or human coders say of its units.

    Attributes:
        name: of the video and of what is said.
        video: reads the video.
        reference: reads what is said; takes the frames a second, or None for what the reference tells.
    """

    name: str
    video: Callable[[], bytes]
    reference: Callable[[float | None], FaceSeries]


def coded_in(folder: Path) -> list[Coded]:
    """Videos of a folder beside tables of the same name, or those of DISFA or BP4D, sorted.

    Raises:
        ValueError: there are none.
    """
    if tasks := bp4d_tasks(folder):
        return [Coded(task.name, task.video, task.series) for task in tasks]
    if pairs := disfa_pairs(folder):
        return [
            Coded(f"{video.name}, {table.name}", video.read_bytes, partial(read_disfa, table)) for video, table in pairs
        ]
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    found = [(video, video.with_suffix(".csv")) for video in videos if video.with_suffix(".csv").is_file()]
    if not found:
        raise ValueError(f"{folder} has no video beside a table of its name, such as talk.mp4 and talk.csv")
    return [
        Coded(f"{video.name}, {table.name}", video.read_bytes, partial(_read_table, table)) for video, table in found
    ]


def _read_table(table: Path, fps: float | None) -> FaceSeries:
    return read_action_unit_table(table.read_bytes(), Limits(), fps=fps)


def side_by_side(read: Callable[[bytes], FaceSeries], coded: Coded, fps: float | None) -> "Recording":
    """Action units and reference of one recording, frame by frame.

    Raises:
        ValueError: a file that cannot be used; the message names it.
    """
    try:
        theirs = coded.reference(fps)
        ours = read(coded.video())
    except (Problem, BundleError) as problem:
        raise ValueError(f"{coded.name}: {problem}") from problem
    nearest = np.clip(np.searchsorted(theirs.time_s, ours.time_s), 1, len(theirs) - 1)
    nearest -= ours.time_s - theirs.time_s[nearest - 1] < theirs.time_s[nearest] - ours.time_s
    apart_s = np.abs(theirs.time_s[nearest] - ours.time_s)
    seen = ours.tracked & theirs.tracked[nearest] & (apart_s < np.median(np.diff(theirs.time_s)))
    if np.count_nonzero(seen) < WINDOW_S * len(ours) / max(float(ours.time_s[-1]), WINDOW_S):
        raise ValueError(f"{coded.name}: both share less than a second of a face that both see")
    return Recording(
        ours.time_s[seen],
        ours.action_units[seen].astype(np.float64),
        theirs.action_units[nearest][seen].astype(np.float64),
    )


@dataclass(frozen=True)
class Recording:
    """Frames in which both see the face: times float64 [frames], units and reference float64 [frames, 17]."""

    time_s: NDArray[np.float64]
    units: NDArray[np.float64]
    reference: NDArray[np.float64]

    def means(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Moving means of both, float64 [steps, 17], at ten steps a second that hold a frame."""
        grid_s = time_grid(float(self.time_s[-1]))
        ours, _, count = moving_statistics(self.time_s, self.units, grid_s, WINDOW_S)
        theirs, _, _ = moving_statistics(self.time_s, self.reference, grid_s, WINDOW_S)
        return ours[count > 0], theirs[count > 0]


def score(recordings: list[Recording]) -> dict[str, UnitScore]:
    """Figures of every unit that the reference has, over recordings, at least one."""
    means = [recording.means() for recording in recordings]
    levels = [
        np.concatenate([side - np.percentile(side, RESTING_PERCENTILE, axis=0) for side in sides])
        for sides in zip(*[(recording.units, recording.reference) for recording in recordings], strict=True)
    ]
    frames = [np.concatenate([getattr(one, side) for one in recordings]) for side in ("units", "reference")]
    present = [side >= PRESENT for side in frames]
    scores = {}
    for unit, name in enumerate(ACTION_UNITS):
        if np.isnan(frames[1][:, unit]).any():  # the coders of the corpus do not code it
            continue
        spread = [float(recording.reference[:, unit].std()) for recording in recordings]
        moving = [
            (ours[:, unit], theirs[:, unit])
            for (ours, theirs), deviation in zip(means, spread, strict=True)
            if deviation >= MOVING
        ]
        hits = int(np.count_nonzero(present[0][:, unit] & present[1][:, unit]))
        either = int(np.count_nonzero(present[0][:, unit])) + int(np.count_nonzero(present[1][:, unit]))
        scores[name] = UnitScore(
            correlation=_mean([_pearson(*pair) for pair in moving]),
            rank_correlation=_mean([_spearman(*pair) for pair in moving]),
            deviation=float(np.mean(spread)),
            level=float(levels[0][:, unit].mean()),
            reference_level=float(levels[1][:, unit].mean()),
            f1=2 * hits / either if either else None,
            intraclass=_intraclass(*(side[:, unit] for side in frames)),
        )
    return scores


def _pearson(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    return float(np.corrcoef(ours, theirs)[0, 1]) if ours.std() > 0 else 0.0


def _spearman(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    return float(spearmanr(ours, theirs).statistic) if ours.std() > 0 else 0.0


def _intraclass(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float | None:
    """ICC(3,1) of two raters, float64 [frames] each (Shrout and Fleiss 1979)."""
    between = 2 * float(np.var((ours + theirs) / 2, ddof=1))
    within = float(np.var(ours - theirs, ddof=1)) / 2
    return (between - within) / (between + within) if between + within > 0 else None


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
