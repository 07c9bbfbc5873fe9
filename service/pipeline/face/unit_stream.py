"""Action units of a face that is still being watched: as in a whole video, frame after frame."""

from typing import Final

import numpy as np

from service.pipeline.face.action_units import ActionUnitModel, smooth
from service.pipeline.face.face_log import half
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.neutral import Neutral
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import FloatArray
from service.problems import Unprocessable

LONGEST_NEUTRAL_S: Final = 60.0
"""Latest end of a stream's neutral stretch, seconds: its frames are kept until then."""


class UnitStream:
    """Turns values of frames into action units. Not thread-safe: frames follow each other.

    Args:
        units: the model.
        neutral: 'none', a stretch or a document; a median needs the whole recording.

    Raises:
        Unprocessable: a neutral that cannot be had while frames arrive.
    """

    def __init__(self, units: ActionUnitModel, neutral: Neutral) -> None:
        if neutral.kind == "median" or (neutral.kind == "stretch" and neutral.end_s > LONGEST_NEUTRAL_S):
            raise Unprocessable(
                f"In a stream neutral is 'none', a document, or START:END up to {LONGEST_NEUTRAL_S:g} s.",
                pointer="/neutral",
            )
        self._units = units
        self._neutral = neutral
        self._resting: FloatArray | None = None if neutral.profile is None else neutral.profile.mean
        self._is_ready = neutral.kind != "stretch"
        self._waiting: list[tuple[float, FloatArray | None]] = []
        self._raw = FaceSeries.empty()
        self._given = 0  # rows at the beginning of ``_raw`` that were given

    def add(self, frames: list[tuple[float, FloatArray | None]]) -> FaceSeries:
        """Take frames; returns those that are final.

        Args:
            frames: the time in seconds of each, and the values float32 [34] of the face, None where it is not seen.

        Raises:
            Unprocessable: the neutral stretch has passed without the face.
        """
        # rounded as a whole video's log rounds them, so that both give the same
        self._waiting += [
            (time_s, None if values is None else half(values).astype(np.float32)) for time_s, values in frames
        ]
        if not self._is_ready and self._waiting and self._waiting[-1][0] > self._neutral.end_s:
            self._find_rest()
        if self._is_ready:
            self._run()
        return self._smoothed(self._units.smoothing_frames // 2)

    def finish(self) -> FaceSeries:
        """The rest of the frames; nothing follows.

        Raises:
            Unprocessable: the face was not seen in the neutral stretch.
        """
        if not self._is_ready:
            self._find_rest()
        self._run()
        return self._smoothed(0)

    def _find_rest(self) -> None:
        self._is_ready = True
        seen = [values for time_s, values in self._waiting if values is not None and self._neutral.holds(time_s)]
        self._resting = self._units.resting_in_stretch(np.array(seen))

    def _run(self) -> None:
        if not self._waiting:
            return
        tracked = np.array([row is not None for _, row in self._waiting])
        units = np.zeros((len(tracked), len(ACTION_UNITS)), np.float32)
        if tracked.any():
            values = np.stack([row for _, row in self._waiting if row is not None])
            units[tracked] = self._units.limited(values, self._resting)
        time_s = np.array([time_s for time_s, _ in self._waiting])
        confidence = np.where(tracked, self._units.confidence, 0.0)
        self._raw = FaceSeries.joined([self._raw, FaceSeries(time_s, confidence, units, tracked)])
        self._waiting = []

    def _smoothed(self, held_back: int) -> FaceSeries:
        """Frames that have all their neighbours, but for the last ``held_back``."""
        raw, first, stop = self._raw, self._given, max(self._given, len(self._raw) - held_back)
        if stop == first:
            return FaceSeries.empty()
        units = smooth(raw.action_units.astype(np.float32), np.flatnonzero(raw.tracked), self._units.smoothing_frames)
        final = FaceSeries(raw.time_s, raw.confidence, units, raw.tracked)[first:stop]
        kept = max(0, stop - self._units.smoothing_frames // 2)
        self._raw, self._given = raw[kept:], stop - kept
        return final
