"""The faces of a long video: followed as in a short one, and written down between two frames.

What the tracker knows and the first features of each face go into the checkpoint; features of the frames since the
last one are taken out, so that memory does not grow with the video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.pipeline.action_units import ActionUnitModel
from service.pipeline.face_geometry import Region
from service.pipeline.face_log import FaceLog
from service.pipeline.face_networks import FaceNetworks
from service.pipeline.faces import FaceTracker, _Track
from service.pipeline.one_euro import OneEuroFilter
from service.pipeline.results import FloatArray
from service.pipeline.video_faces import VideoFaces

ReadRows = Callable[[int, int], NDArray[np.float16]]
"""Rows float16 [n, dim] that a segment kept of a face: (segment, face)."""


class SegmentedFaces(VideoFaces):
    """Watches a video of which earlier segments were watched already.

    Args:
        networks, units: as of :class:`VideoFaces`.
        state: of the segment before, or None at the beginning.
    """

    def __init__(self, networks: FaceNetworks, units: ActionUnitModel, state: dict[str, Any] | None) -> None:
        super().__init__(networks, units)
        self._kept = 0
        if state is not None:
            self._time_s = state["time_s"].tolist()
            self._kept = len(self._time_s)
            restore_tracker(self._tracker, networks, state["tracker"])
            self._logs = {number: _SegmentLog.begin(log) for number, log in state["faces"]}

    def take(self) -> dict[str, Any]:
        """What was seen since the last call: 'time_s' of the frames, and of each face what is kept of it."""
        faces = [
            {"number": number, "frames": frames, "rows": rows}
            for number, log in self._logs.items()
            for frames, rows in [_SegmentLog.take(log)]
            if len(frames)
        ]
        first, self._kept = self._kept, len(self._time_s)
        return {"time_s": np.asarray(self._time_s[first:], np.float64), "faces": faces}

    def state(self) -> dict[str, Any]:
        """All that is known, for the next segment."""
        return {
            "time_s": np.asarray(self._time_s, np.float64),
            "tracker": tracker_state(self._tracker),
            "faces": [(number, {"base": log._base, "presence": log.presence}) for number, log in self._logs.items()],
        }

    @property
    def frames(self) -> int:
        """Frames that were looked at, in all segments."""
        return len(self._time_s)


class KeptFaces(VideoFaces):
    """A whole video whose features lie in segments, each read when it is needed.

    Args:
        networks, units: as of :class:`VideoFaces`.
        state: after the last segment.
        frames: by face and segment the frames in which it was seen, int64 [n].
        read: reads what was kept of them.
    """

    def __init__(
        self,
        networks: FaceNetworks,
        units: ActionUnitModel,
        state: dict[str, Any],
        frames: dict[int, dict[int, NDArray[np.int64]]],
        read: ReadRows,
    ) -> None:
        super().__init__(networks, units)
        self._time_s = state["time_s"].tolist()
        self._logs = {number: _KeptLog(log, number, frames.get(number, {}), read) for number, log in state["faces"]}


class _SegmentLog(FaceLog):
    """A log that can be emptied."""

    @staticmethod
    def begin(state: dict[str, Any]) -> FaceLog:
        """An empty log of a face that was seen before."""
        log = FaceLog(state["base"])
        log.presence = state["presence"]
        return log

    @staticmethod
    def take(log: FaceLog) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Empty ``log`` and give what was in it: frames int64 [n] and rows float16 [n, dim]."""
        frames, rows = log.frames.copy(), log._differences[: len(log)].copy()
        log._count = 0
        return frames, rows


class _KeptLog(FaceLog):
    """A log whose rows lie in segments; the newest one that was read stays in memory."""

    def __init__(
        self, state: dict[str, Any], number: int, frames: dict[int, NDArray[np.int64]], read: ReadRows
    ) -> None:
        super().__init__(state["base"])
        self.presence = state["presence"]
        self._number = number
        self._read = read
        self._segments = sorted(frames)
        counts = [len(frames[segment]) for segment in self._segments]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        empty = np.zeros(0, np.int64)
        self._frames = np.concatenate([empty, *(frames[segment] for segment in self._segments)])
        self._count = len(self._frames)
        self._newest: tuple[int, NDArray[np.float16]] | None = None

    def features(self, which: NDArray[np.int64] | slice) -> FloatArray:
        """As of :class:`FaceLog`."""
        rows = np.arange(self._count)[which]
        chosen = np.empty((len(rows), len(self._base)), np.float32)
        places = np.searchsorted(self._starts, rows, side="right") - 1
        for place in np.unique(places):
            here = places == place
            chosen[here] = self._rows(self._segments[place])[rows[here] - self._starts[place]]
        chosen += self._base
        return chosen

    def _rows(self, segment: int) -> NDArray[np.float16]:
        if self._newest is None or self._newest[0] != segment:
            self._newest = (segment, self._read(segment, self._number))
        return self._newest[1]


def tracker_state(tracker: FaceTracker) -> dict[str, Any]:
    """All that a tracker knows."""
    return {
        "live": [_track_state(track) for track in tracker._live],
        "lost": [_track_state(track) for track in tracker._lost],
        "numbers": tracker._numbers,
        "detected_at_s": float(tracker._detected_at_s),
    }


def restore_tracker(tracker: FaceTracker, networks: FaceNetworks, state: dict[str, Any]) -> None:
    """Let ``tracker`` go on where another one was."""
    tracker._live = [_track(one, networks) for one in state["live"]]
    tracker._lost = [_track(one, networks) for one in state["lost"]]
    tracker._numbers = state["numbers"]
    tracker._detected_at_s = state["detected_at_s"]


def _track_state(track: _Track) -> dict[str, Any]:
    smoothing = track.filter
    return {
        "number": track.number,
        "region": {name: float(value) for name, value in asdict(track.region).items()},
        "box": track.box,
        "seen": track.seen,
        "time_s": smoothing._time_s,
        "points": [smoothing._raw, smoothing._smooth, smoothing._speed],
    }


def _track(state: dict[str, Any], networks: FaceNetworks) -> _Track:
    smoothing = OneEuroFilter(networks.settings.smoothing)
    smoothing._time_s = state["time_s"]
    smoothing._raw, smoothing._smooth, smoothing._speed = state["points"]
    return _Track(state["number"], Region(**state["region"]), state["box"], smoothing, seen=state["seen"])


def all_faces(records: Sequence[dict[str, Any]]) -> dict[int, dict[int, NDArray[np.int64]]]:
    """By face and segment the frames in which it was seen, of the records of all segments in order."""
    frames: dict[int, dict[int, NDArray[np.int64]]] = {}
    for segment, record in enumerate(records):
        for face in record["faces"]:
            frames.setdefault(face["number"], {})[segment] = face["frames"]
    return frames
