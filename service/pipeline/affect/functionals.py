"""The 37 columns every 100 ms, from action units per frame: moving mean and deviation, and the speaker turn.

Windows are centred and counted in seconds, so a table of any frame rate, even a varying one, gives the
same columns (F18; the AVEC scripts count frames and assume 50 a second). Frames in which the face was lost
count with the zeros that the tool wrote for them, as in those scripts (E5); ``tracked`` says where that
happened.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.columns import COLUMNS, SIGNALS
from service.pipeline.face.face_series import FaceSeries

WINDOW_S: Final = 1.0
"""Length of a window, seconds (E3)."""

HOP_S: Final = 0.1
"""Seconds between the centres of two windows (E3)."""

LOST_S: Final = 0.2
"""Longest time between two sights of a face, seconds, in which it is not lost: a step of the slowest camera."""

MOST_STEPS: Final = 1.5
"""The same as a multiple of the recording's own step, for slower ones."""

EDGE_TOLERANCE_S: Final = 1e-6
"""Distance at which a frame outside a window still belongs to it: time stamps are written with three decimals."""

WINDOWS_AT_ONCE: Final = 1000
"""Windows computed together, 100 s of them; the work arrays of a whole hour would take 80 MB."""


@dataclass(frozen=True)
class AffectFeatures:
    """The input of an affect model.

    Attributes:
        time_s: float64 [steps], centres of the windows, from 0 in steps of the hop.
        columns: float32 [steps, 37], in the order of ``COLUMNS``; zeros where a window holds no frame.
        tracked: float64 [steps], share of the window's frames in which the face was found, 0…1; 0 means that
            nothing can be known of this moment: the face is lost, or there is no frame.
        losses_s: float64 [losses, 2], begin and end in seconds of every stretch in which the face is lost and that
            holds a step; every step at which nothing is known lies in one.
    """

    time_s: NDArray[np.float64]
    columns: NDArray[np.float32]
    tracked: NDArray[np.float64]
    losses_s: NDArray[np.float64]

    @property
    def face_confidence(self) -> NDArray[np.float32]:
        """Mean confidence of each window, float32 [steps], 0…1; 0 where nothing can be known."""
        return np.where(self.tracked > 0, self.columns[:, 0], np.float32(0.0))


def affect_features(
    face: FaceSeries,
    *,
    turn: NDArray[np.float64] | None = None,
    duration_s: float | None = None,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
) -> AffectFeatures:
    """Make the 37 columns.

    Args:
        face: at least one frame.
        turn: float64 [steps], 1 where somebody speaks, else 0 (see ``speaker_turn``); a shorter one is
            followed by zeros, a longer one is cut. None stands for zeros.
        duration_s: length of the recording, seconds; by default the last frame's time.
        window_s: length of the windows, seconds above 0.
        hop_s: seconds between their centres, above 0.

    Returns:
        ``steps`` = floor(duration_s / hop_s) + 1 rows.
    """
    end_s = float(face.time_s[-1]) if duration_s is None else duration_s
    grid_s = time_grid(end_s, hop_s)
    signals = np.column_stack([face.confidence.astype(face.action_units.dtype), face.action_units])
    mean, deviation, _ = moving_statistics(face.time_s, signals, grid_s, window_s)
    share, _, _ = moving_statistics(face.time_s, face.tracked.astype(np.float64)[:, None], grid_s, window_s)
    columns = np.zeros((grid_s.size, len(COLUMNS)), dtype=np.float32)
    columns[:, : len(SIGNALS)] = mean
    columns[:, len(SIGNALS) : 2 * len(SIGNALS)] = deviation
    if turn is not None:
        columns[: turn.size, -1] = turn[: grid_s.size]
    losses_s, is_lost = find_losses(face.time_s, face.tracked, grid_s, end_s, window_s)
    return AffectFeatures(grid_s, columns, np.where(is_lost, 0.0, share[:, 0]), losses_s)


def find_losses(
    time_s: NDArray[np.float64], tracked: NDArray[np.bool_], grid_s: NDArray[np.float64], end_s: float, window_s: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The stretches in which a face is lost: between two frames that show it, if frames between them do not, or if
    they are further apart than any camera's steps. The recording's begin and end count as frames that show it.

    A step of the grid is lost if it lies inside of such a stretch. This one rule decides for tables, videos, jobs and
    streams which values are null.

    Args:
        time_s: float64 [frames], increasing.
        tracked: bool [frames], whether the face was seen.
        grid_s: float64 [steps].
        end_s: end of the recording, seconds.
        window_s: length of the windows, seconds; a window without a frame is always lost.

    Returns:
        float64 [losses, 2], begin and end of the stretches that hold a step; and bool [steps], which steps are lost.
    """
    sights_s = time_s[tracked]
    step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    longest_s = min(max(LOST_S, MOST_STEPS * step_s), window_s) + EDGE_TOLERANCE_S
    edges_s = np.concatenate([[min(0.0, *time_s[:1])], sights_s, [max(end_s, *time_s[-1:])]])
    unseen = np.diff(np.searchsorted(time_s[~tracked], edges_s))
    limits_s = np.full(len(unseen), longest_s)
    limits_s[[0, -1]] = min(longest_s, window_s / 2 + EDGE_TOLERANCE_S)
    is_loss = (np.diff(edges_s) > limits_s) | (unseen > 0)
    before = np.searchsorted(edges_s, grid_s + EDGE_TOLERANCE_S, side="right") - 1
    stretch = np.clip(before, 0, len(is_loss) - 1)
    at_sight = np.zeros(len(grid_s), np.bool_)
    if len(sights_s):
        near = sights_s[np.clip(np.searchsorted(sights_s, grid_s - EDGE_TOLERANCE_S), 0, len(sights_s) - 1)]
        at_sight = np.abs(near - grid_s) <= EDGE_TOLERANCE_S
    is_lost = is_loss[stretch] & ~at_sight
    held = np.unique(stretch[is_lost])
    return np.stack([edges_s[held], edges_s[held + 1]], axis=1), is_lost


def time_grid(duration_s: float, hop_s: float = HOP_S) -> NDArray[np.float64]:
    """Centres of the windows, float64 [steps], seconds: 0, hop, … up to ``duration_s``."""
    return np.arange(int(np.floor(duration_s / hop_s + EDGE_TOLERANCE_S)) + 1, dtype=np.float64) * hop_s


def moving_statistics(
    time_s: NDArray[np.float64], values: NDArray[np.floating[Any]], grid_s: NDArray[np.float64], window_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean and population standard deviation of ``values`` in the closed windows grid ± window/2.

    Differences of prefix sums cost the same for every window length. The columns are centred first, and a
    window whose values are all equal gets a deviation of exactly 0 and exactly their value as mean, so
    cancellation cannot show where OpenFace writes runs of zeros.

    Args:
        time_s: float64 [frames], increasing.
        values: float [frames, columns], finite.
        grid_s: float64 [steps].
        window_s: seconds.

    Returns:
        mean, deviation: float64 [steps, columns], 0 where a window holds no frame;
        count: int64 [steps], frames in each window.
    """
    first = np.searchsorted(time_s, grid_s - window_s / 2 - EDGE_TOLERANCE_S, side="left")
    stop = np.searchsorted(time_s, grid_s + window_s / 2 + EDGE_TOLERANCE_S, side="right")
    mean = np.zeros((len(grid_s), values.shape[1]))
    deviation = np.zeros_like(mean)
    for begin in range(0, len(grid_s), WINDOWS_AT_ONCE):
        block = slice(begin, begin + WINDOWS_AT_ONCE)
        low, high = int(first[block].min()), int(stop[block].max())
        if high > low:
            part = values[low:high].astype(np.float64)
            mean[block], deviation[block] = _statistics(part, first[block] - low, stop[block] - low)
    return mean, deviation, (stop - first).astype(np.int64)


def _statistics(
    values: NDArray[np.float64], first: NDArray[np.intp], stop: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of the rows from ``first`` to before ``stop``, float64 [windows, columns]; 0 without a row."""
    divisor = np.maximum(stop - first, 1)[:, None]
    centre = values.mean(axis=0)
    centred = values - centre
    sums = _prefix(centred)
    mean = (sums[stop] - sums[first]) / divisor
    squares = _prefix(centred**2)
    deviation = np.sqrt(np.maximum((squares[stop] - squares[first]) / divisor - mean**2, 0.0))
    changes = _prefix((np.diff(values, axis=0, prepend=values[:1]) != 0.0).astype(np.float64))
    inside = np.minimum(first + 1, stop)  # the first frame's change is against a frame outside the window
    constant = changes[stop] == changes[inside]
    first_value = values[np.minimum(first, len(values) - 1)]
    mean = np.where(constant, first_value, mean + centre)
    deviation = np.where(constant, 0.0, deviation)
    empty = (stop == first)[:, None]
    return np.where(empty, 0.0, mean), np.where(empty, 0.0, deviation)


def speaker_turn(
    speech: list[NDArray[np.float64]], grid_s: NDArray[np.float64], step_s: float, threshold: float = 0.5
) -> NDArray[np.float64]:
    """The turn column: 1 where at least one of the given tracks holds speech, else 0.

    Give one track for a mix and one a person otherwise: the seed paper's feature says that somebody speaks.

    Args:
        speech: speech probability of consecutive steps, one float64 [steps of the detector] a track.
        grid_s: float64 [steps], evenly spaced seconds.
        step_s: length of a detector's step, seconds.
        threshold: probability above which a step is speech.

    Returns:
        float64 [steps], 0 or 1. A grid point takes every detector step that overlaps half a hop on either
        side.
    """
    half_s = (float(grid_s[1] - grid_s[0]) if grid_s.size > 1 else HOP_S) / 2
    turn = np.zeros(grid_s.size)
    for track in speech:
        active = _prefix((track > threshold).astype(np.float64)[:, None])[:, 0]
        first = np.clip(np.floor((grid_s - half_s) / step_s + EDGE_TOLERANCE_S), 0, track.size).astype(np.int64)
        stop = np.clip(np.ceil((grid_s + half_s) / step_s - EDGE_TOLERANCE_S), 0, track.size).astype(np.int64)
        turn = np.maximum(turn, active[np.maximum(stop, first)] > active[first])
    return turn


def _prefix(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prefix sums with a leading row of zeros, [frames + 1, columns]."""
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
