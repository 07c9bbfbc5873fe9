"""The part of a job that looks at pictures: it follows faces and keeps what the head makes of them."""

from __future__ import annotations

import functools
from typing import Any, Final

from service.jobs.part import Segment
from service.pipeline.decoding.long_decode import Pictures
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_on_device
from service.pipeline.device.task import Work
from service.pipeline.video.relay import Relay
from service.pipeline.video.video_faces import Sight, VideoFaces
from service.pipeline.video.watching import SIGHTS_AT_ONCE, SIGHTS_WAITING

FRAMES_A_SECOND: Final = 24
"""Frame rate by which a segment's length is counted in frames: the video's own is known at its end."""


class FacesPart:
    """Follows faces from the first frame that is still to be looked at, in segments of about ``segment_s`` seconds."""

    def __init__(self, pictures: Pictures, device: Batcher, faces: VideoFaces, segment_s: float) -> None:
        self._pictures = pictures
        self._device = device
        self._faces = faces
        # Features are computed for groups of frames: segments of whole groups give exactly what the whole video gives.
        self._segment_frames = max(1, round(segment_s * FRAMES_A_SECOND / SIGHTS_AT_ONCE)) * SIGHTS_AT_ONCE

    def run(self, work: Work) -> Segment:
        """The next segment; its record is a :data:`Record`, in the end with 'media', 'flags' and 'state' too."""
        stop, began_s = self._faces.frames + self._segment_frames, self._faces.upto_s
        share, last = 0.0, False

        def note(sights: list[Sight]) -> None:
            run_on_device(self._device, lambda: self._faces.note(sights), work)

        with Relay(note, capacity=SIGHTS_WAITING, batch=SIGHTS_AT_ONCE, name="sights") as sights:
            while self._faces.frames < stop:
                work.raise_if_cancelled()
                frame = self._pictures.next()
                if frame is None:
                    last = True
                    break
                share = frame.share
                sights.put(run_on_device(self._device, functools.partial(self._faces.follow, frame), work))
        record: dict[str, Any] = self._faces.take()
        state = self._faces.state()
        media_s = self._faces.upto_s - began_s
        if not last:
            return Segment(record, state, share, media_s)
        summary = self._pictures.outcome
        record |= {"media": summary.recording, "flags": summary.flags, "state": state}
        return Segment(record, None, 1.0, media_s)

    def close(self) -> None:
        """End the decoding."""
        self._pictures.close()
