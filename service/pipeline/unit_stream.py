"""Action units of a face that is still being watched: as in a whole video, frame after frame."""

from __future__ import annotations

import numpy as np

from service.pipeline.action_units import MEDIAN_FRAMES, ActionUnitModel, smooth
from service.pipeline.affect_columns import ACTION_UNITS
from service.pipeline.face_log import half_difference
from service.pipeline.live_affect import FaceFrames, no_frames
from service.pipeline.neutral import Neutral
from service.pipeline.results import FloatArray
from service.problems import Unprocessable

LONGEST_NEUTRAL_S = 60.0
"""A stretch of a stream that is taken for neutral must end by then: its frames are kept meanwhile."""


class UnitStream:
    """Turns features into action units. Not thread-safe: frames follow each other.

    Args:
        units: the model.
        neutral: 'none' or a stretch; a median needs the whole recording.

    Raises:
        Unprocessable: a neutral that cannot be had while frames arrive.
    """

    def __init__(self, units: ActionUnitModel, neutral: Neutral) -> None:
        if neutral.kind == "median" or (neutral.kind == "stretch" and neutral.end_s > LONGEST_NEUTRAL_S):
            raise Unprocessable(
                f"In a stream neutral is 'none' or START:END up to {LONGEST_NEUTRAL_S:g} s.", pointer="/neutral"
            )
        self._units = units
        self._neutral = neutral
        self._base: FloatArray | None = None
        self._is_ready = neutral.kind == "none"
        self._first: FloatArray | None = None
        self._waiting: list[tuple[float, FloatArray | None]] = []
        self._raw = no_frames()
        self._given = 0  # of ``_raw``

    def add(self, frames: list[tuple[float, FloatArray | None]]) -> FaceFrames:
        """Take frames; returns those that are final.

        Args:
            frames: of each its time in seconds, and the features float32 [dim] of the face, None where it is not
                seen.

        Raises:
            Unprocessable: the neutral stretch has passed without the face.
        """
        self._waiting += [(time_s, self._rounded(features)) for time_s, features in frames]
        if not self._is_ready and self._waiting and self._waiting[-1][0] > self._neutral.end_s:
            self._find_base()
        if self._is_ready:
            self._run()
        return self._smoothed(self._units.smoothing_frames // 2)

    def finish(self) -> FaceFrames:
        """Nothing follows: the rest.

        Raises:
            Unprocessable: the face was not seen in the neutral stretch.
        """
        if not self._is_ready:
            self._find_base()
        self._run()
        return self._smoothed(0)

    def _rounded(self, features: FloatArray | None) -> FloatArray | None:
        """Features as a whole video's log would keep them, so that both give the same."""
        if features is None:
            return None
        if self._first is None:
            self._first = features.astype(np.float32)
        return np.asarray(half_difference(features, self._first).astype(np.float32) + self._first)

    def _find_base(self) -> None:
        self._is_ready = True
        start_s, end_s = self._neutral.start_s, self._neutral.end_s
        seen = [row for time_s, row in self._waiting if row is not None and start_s <= time_s <= end_s]
        if not seen:
            raise Unprocessable("No face is tracked in the neutral stretch.", pointer="/neutral")
        if not self._units.uses_neutral:
            return
        if len(seen) > MEDIAN_FRAMES:
            seen = [seen[index] for index in np.linspace(0, len(seen) - 1, MEDIAN_FRAMES).astype(np.int64).tolist()]
        self._base = np.median(np.stack(seen), axis=0).astype(np.float32)

    def _run(self) -> None:
        if not self._waiting:
            return
        tracked = np.array([row is not None for _, row in self._waiting])
        units = np.zeros((len(tracked), len(ACTION_UNITS)))
        if tracked.any():
            rows = np.stack([row for _, row in self._waiting if row is not None])
            units[tracked] = self._units.head(rows, self._base)
        time_s = np.array([time_s for time_s, _ in self._waiting])
        confidence = np.where(tracked, self._units.confidence, 0.0)
        self._raw = self._raw.followed_by(FaceFrames(time_s, confidence, units, tracked))
        self._waiting = []

    def _smoothed(self, held_back: int) -> FaceFrames:
        """Frames that have all their neighbours, but for the last ``held_back``."""
        raw, first, stop = self._raw, self._given, max(self._given, len(self._raw) - held_back)
        if stop == first:
            return no_frames()
        units = smooth(raw.action_units, np.flatnonzero(raw.tracked), self._units.smoothing_frames)
        final = FaceFrames(raw.time_s, raw.confidence, units, raw.tracked)[first:stop]
        kept = max(0, stop - self._units.smoothing_frames // 2)
        self._raw, self._given = raw[kept:], stop - kept
        return final
