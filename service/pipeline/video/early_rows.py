"""Early rows of a video's timeline: told while its frames are still being looked at, as far as they are final.

With ``neutral=median`` no row is: the resting face needs the whole recording. With ``face=largest`` rows are those of
the face that was the largest where the first one was seen, and are final only if it stays that. Before any face is seen
rows are not final: pictures without one give way to another track. Frames that follow each other so fast that more of
them are averaged in the end have no final rows either.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.live import LiveAffect, OnRows
from service.pipeline.affect.model import AffectModel
from service.pipeline.device.device_calls import only_once
from service.pipeline.face.action_units import ActionUnitModel, smoothing_width
from service.pipeline.face.neutral import Neutral
from service.pipeline.face.unit_stream import LONGEST_NEUTRAL_S, UnitStream
from service.pipeline.options import EVERY_FACE, place_of
from service.pipeline.video.video_faces import SeenValues
from service.problems import Unprocessable

RATE_FRAMES: Final = 9
"""Number of frames behind an estimate of the frame rate."""


class EarlyRows:
    """Rows of one video. Frames follow each other.

    Args:
        tell: see :data:`OnRows`; called in the thread that notes frames.
        affect, units: the models.
        neutral: 'none', a document or a stretch, see :func:`can_tell_early`.
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
        self._has_seen = False
        self._is_over = False

    def __call__(self, frames: Sequence[tuple[float, SeenValues]]) -> None:
        """Note frames: the time of each and its faces."""
        if self._is_over:
            return
        self._look_at_rate([time_s for time_s, _ in frames])
        noted = []
        for time_s, faces in frames:
            self._has_seen |= bool(faces)
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
            self._tell(rows, self._face or 0, self._is_final and self._has_seen)

    def _look_at_rate(self, times_s: list[float]) -> None:
        self._times_s = [*self._times_s, *times_s][-max(RATE_FRAMES, len(times_s)) :]
        if smoothing_width(self._smoothing_frames, np.array(self._times_s)) != self._smoothing_frames:
            self._is_final = False


def can_tell_early(affect: AffectModel, neutral: Neutral, face: str = "largest") -> bool:
    """Whether rows can be told before the end of the video. Which face is at a place is known at its end."""
    if face == EVERY_FACE or place_of(face) is not None:
        return False
    is_near = neutral.kind != "median" and (neutral.kind != "stretch" or neutral.end_s <= LONGEST_NEUTRAL_S)
    return is_near and affect.reach_rows is not None
