"""Tells rows of a video's timeline while its frames are still being looked at, as far as they are final.

With ``neutral=median`` no row is: the resting face needs the whole recording. With ``face=largest`` rows are those of
the face that was the largest where the first one was seen, and are final only if it stays that. Frames that follow each
other so fast that more of them are averaged in the end have no final rows either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.live import AffectRows, LiveAffect
from service.pipeline.affect.model import AffectModel
from service.pipeline.device.device_calls import only_once
from service.pipeline.face.action_units import ActionUnitModel, smoothing_width
from service.pipeline.face.neutral import Neutral
from service.pipeline.results import FloatArray
from service.pipeline.video.unit_stream import LONGEST_NEUTRAL_S, UnitStream
from service.problems import Unprocessable

OnRows = Callable[[AffectRows, int, bool], None]
"""Told rows, the number of their face, and whether they are final."""

RATE_FRAMES: Final = 9
"""From so many frames the rate is told."""

SeenFaces = dict[int, tuple[float, FloatArray]]
"""By number, the size and the features float32 [dim] of the faces of one frame."""


class RowWatch:
    """Watches one video. Frames follow each other.

    Args:
        tell: see :data:`OnRows`; called in the thread that notes frames.
        affect, units: the models.
        neutral: 'none' or a stretch, see :func:`can_be_watched`.
        face: 'largest' or a number.
        turn: float64 [steps], 1 where somebody speaks, else 0; or None.
    """

    def __init__(
        self,
        tell: OnRows,
        affect: AffectModel,
        units: ActionUnitModel,
        neutral: Neutral,
        face: str,
        turn: NDArray[np.float64] | None,
    ) -> None:
        self._tell = tell
        self._units = UnitStream(units, neutral)
        self._smoothing_frames = units.smoothing_frames
        self._times_s: list[float] = []
        self._rows = LiveAffect(affect, turn=turn)
        self._is_final = face != "largest"
        self._face = int(face) if self._is_final else None
        self._is_over = False

    def __call__(self, frames: Sequence[tuple[float, SeenFaces]]) -> None:
        """Note frames: of each its time and its faces."""
        if self._is_over:
            return
        self._look_at_rate([time_s for time_s, _ in frames])
        noted = []
        for time_s, faces in frames:
            if self._face is None and faces:
                self._face = max(faces, key=lambda number: faces[number][0])
            seen = faces.get(self._face) if self._face is not None else None
            noted.append((time_s, None if seen is None else seen[1]))
        try:
            rows = only_once(lambda: self._rows.add(self._units.add(noted)))()
        except Unprocessable:  # no face in the neutral stretch: the whole answer will say so, or is another face's
            self._is_over = True
            return
        if len(rows):
            self._tell(rows, self._face or 0, self._is_final)

    def _look_at_rate(self, times_s: list[float]) -> None:
        self._times_s = [*self._times_s, *times_s][-max(RATE_FRAMES, len(times_s)) :]
        if smoothing_width(self._smoothing_frames, np.array(self._times_s)) != self._smoothing_frames:
            self._is_final = False


def can_be_watched(affect: AffectModel, neutral: Neutral) -> bool:
    """Whether any row is final before the end."""
    is_near = neutral.kind == "none" or (neutral.kind == "stretch" and neutral.end_s <= LONGEST_NEUTRAL_S)
    return is_near and affect.reach_rows is not None
