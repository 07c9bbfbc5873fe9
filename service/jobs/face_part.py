"""The part of a job that looks at pictures: it follows faces and keeps what the head makes of them."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.jobs.part import Segment
from service.pipeline.decoding.long_decode import Pictures
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_on_device
from service.pipeline.device.task import Work
from service.pipeline.results import MediaInfo
from service.pipeline.video.relay import Relay
from service.pipeline.video.video_faces import Sight, VideoFaces, other_picture_tracks
from service.pipeline.video.watching import SIGHTS_AT_ONCE, SIGHTS_WAITING
from service.problems import CodecUnsupported, MediaInvalid

FRAMES_A_SECOND: Final = 24
"""Frame rate by which a segment's length is counted in frames: the video's own is known at its end."""

MOST_SHARE: Final = 0.99
"""Progress while further picture tracks are looked at, whose number and length are not known before."""


@dataclass(frozen=True)
class Watched:
    """A picture track that was gone through.

    Attributes:
        faces: what was seen of it.
        media, flags: facts about the recording and remarks on it.
    """

    faces: VideoFaces
    media: MediaInfo
    flags: tuple[str, ...]


Opened = tuple[Pictures, VideoFaces]
"""A picture track from the first frame that is still to be looked at, and what has been seen of it."""


class FacesPart:
    """Watches a video: a picture track, and where that has no face and none was named, the others, until one has.

    Args:
        open_track: opens a picture track by its number, or the default one, from a state on.
        device: runs the networks.
        segment_s: about how many seconds a segment has.
        track: the picture track that was named, or None.
        state: of the segment before, or None at the beginning.
    """

    def __init__(
        self,
        open_track: Callable[[int | None, dict[str, Any] | None], Opened],
        device: Batcher,
        segment_s: float,
        track: int | None,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._open_track = open_track
        self._device = device
        self._named = track
        self._track: int | None = track if state is None else state["track"]
        self._others: list[int] = [] if state is None else state["others"]
        self._pictures, self._faces = open_track(self._track, state)
        # Features are computed for groups of frames: segments of whole groups give exactly what the whole video gives.
        self._segment_frames = max(1, round(segment_s * FRAMES_A_SECOND / SIGHTS_AT_ONCE)) * SIGHTS_AT_ONCE

    def run(self, work: Work) -> Segment:
        """The next segment; its record is a :data:`Record`, at the end of a track with 'media', 'flags' and 'state'."""
        began_s = self._faces.upto_s
        is_first = self._track == self._named
        try:
            share, last = self._watch(work)
            summary = self._pictures.outcome if last else None
        except (MediaInvalid, CodecUnsupported):
            if is_first:
                raise
            last, share, summary = True, 1.0, None
        record: dict[str, Any] = self._faces.take()
        media_s = self._faces.upto_s - began_s if is_first else 0.0  # a recording is paid for once
        if not last:
            return Segment(record, self._state(), share if is_first else MOST_SHARE, media_s)
        if summary is not None:
            record |= {"media": summary.recording, "flags": summary.flags, "state": self._faces.state()}
            if is_first and self._named is None:
                self._others = other_picture_tracks(summary.recording)
        if self._faces.has_face or not self._others:
            return Segment(record, None, 1.0, media_s)
        self._pictures.close()
        self._track, *self._others = self._others
        self._pictures, self._faces = self._open_track(self._track, None)
        return Segment(record, self._state(), MOST_SHARE, media_s)

    def close(self) -> None:
        """End the decoding."""
        self._pictures.close()

    def _watch(self, work: Work) -> tuple[float, bool]:
        """Look at the frames of a segment; the share of the track that is done, and whether it is over."""
        stop, share = self._faces.frames + self._segment_frames, 0.0

        def note(sights: list[Sight]) -> None:
            run_on_device(self._device, lambda: self._faces.note(sights), work)

        with Relay(note, capacity=SIGHTS_WAITING, batch=SIGHTS_AT_ONCE, name="sights") as sights:
            while self._faces.frames < stop:
                work.raise_if_cancelled()
                frame = self._pictures.next()
                if frame is None:
                    return share, True
                share = frame.share
                sights.put(run_on_device(self._device, functools.partial(self._faces.follow, frame), work))
        return share, False

    def _state(self) -> dict[str, Any]:
        return {**self._faces.state(), "track": self._track, "others": self._others}


def watched_track(records: Sequence[dict[str, Any]], open_faces: Callable[[dict[str, Any]], VideoFaces]) -> Watched:
    """The track that the answer is about: the last one if a face is in it, else the first.

    Args:
        records: of all segments.
        open_faces: makes faces of a state.
    """
    ends = [number for number, record in enumerate(records) if "media" in record]
    faces = open_faces(records[ends[-1]]["state"])
    end = ends[-1] if faces.has_face else ends[0]
    begin = max((one + 1 for one in ends if one < end), default=0)
    faces = open_faces(records[end]["state"])
    faces.put(records[begin : end + 1])
    return Watched(faces, records[end]["media"], records[end]["flags"])
