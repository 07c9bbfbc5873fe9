"""The faces of a long video: followed as in a short one, and written down between two frames.

What the tracker knows, and of each face what its neutral needs, go into the checkpoint; what the head made of the
frames since the last one is taken out, so that memory does not grow with the video until the end, when a frame and
face costs 38 bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from service.pipeline.face.action_units import ActionUnitModel
from service.pipeline.face.face_log import FaceLog
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import Neutral
from service.pipeline.video.video_faces import VideoFaces

Record = dict[str, Any]
"""What a segment gave: 'time_s' float64 [frames], and of each of its 'faces' a 'number', 'frames' int32 [n] and
'values' float16 [n, 17]."""


class SegmentedFaces(VideoFaces):
    """Watches a video of which earlier segments were watched already.

    Args:
        networks, units, neutral: as of :class:`VideoFaces`.
        state: of the segment before, or None at the beginning.
    """

    def __init__(
        self, networks: FaceNetworks, units: ActionUnitModel, neutral: Neutral, state: dict[str, Any] | None
    ) -> None:
        super().__init__(networks, units, neutral)
        if state is not None:
            self._time_s = array("d", state["time_s"].tolist())
            self._tracker.resume(state["tracker"])
            self._logs = {number: FaceLog.resume(log) for number, log in state["faces"]}
        self._taken = len(self._time_s)

    def take(self) -> Record:
        """What was seen since the last call."""
        taken = ((number, *log.take()) for number, log in self._logs.items())
        faces = [
            {"number": number, "frames": frames, "values": values} for number, frames, values in taken if len(frames)
        ]
        first, self._taken = self._taken, len(self._time_s)
        return {"time_s": np.array(self._time_s[first:], np.float64), "faces": faces}

    def state(self) -> dict[str, Any]:
        """All that is known, for the next segment."""
        return {
            "time_s": np.array(self._time_s, np.float64),
            "tracker": self._tracker.state(),
            "faces": [(number, log.state()) for number, log in self._logs.items()],
        }

    @property
    def frames(self) -> int:
        """Frames that were looked at, in all segments."""
        return len(self._time_s)

    @property
    def upto_s(self) -> float:
        """When the last of them is shown."""
        return self._time_s[-1] if self._time_s else 0.0


class KeptFaces(VideoFaces):
    """A whole video whose segments were watched.

    Args:
        networks, units, neutral: as of :class:`VideoFaces`.
        state: after the last segment.
        records: of all segments, in order.
    """

    def __init__(
        self,
        networks: FaceNetworks,
        units: ActionUnitModel,
        neutral: Neutral,
        state: dict[str, Any],
        records: Iterable[Record],
    ) -> None:
        super().__init__(networks, units, neutral)
        self._time_s = array("d", state["time_s"].tolist())
        self._logs = {number: FaceLog.resume(log) for number, log in state["faces"]}
        for record in records:
            for face in record["faces"]:
                self._logs[face["number"]].put(face["frames"], face["values"])
