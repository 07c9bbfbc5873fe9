"""The part of a job that looks: faces followed through the pictures, and their features kept."""

from __future__ import annotations

import functools
from typing import Any

from service.jobs.part import Segment
from service.jobs.sound_parts import refuse_if_cancelled
from service.pipeline.decoding.long_decode import Pictures
from service.pipeline.device.task import Work
from service.pipeline.video.long_video import SegmentedFaces
from service.pipeline.video.relay import Relay
from service.pipeline.video.video_faces import Sight
from service.pipeline.video.watching import SIGHTS_AT_ONCE, SIGHTS_WAITING
from service.pipeline.video_pipeline import VideoPipeline

FRAMES_A_SECOND = 24
"""By which a segment's length is counted in frames, whatever the video's rate: nobody knows it before the end."""


class FacesPart:
    """Watches a video.

    Args:
        pictures: from the first frame that is still to be looked at.
        pipeline: its device runs the networks.
        faces: what has been seen.
        segment_s: about how many seconds a segment has.
    """

    def __init__(self, pictures: Pictures, pipeline: VideoPipeline, faces: SegmentedFaces, segment_s: float) -> None:
        self._pictures = pictures
        self._pipeline = pipeline
        self._faces = faces
        # Features are taken of so many frames together: segments that hold whole groups give what a whole video gives.
        self._segment_frames = max(1, round(segment_s * FRAMES_A_SECOND / SIGHTS_AT_ONCE)) * SIGHTS_AT_ONCE

    def run(self, work: Work) -> Segment:
        """The next segment: what was kept of its faces. The last record holds 'media', 'flags' and the state, too."""
        stop, began_s = self._faces.frames + self._segment_frames, self._faces.upto_s
        share, last = 0.0, False

        def note(sights: list[Sight]) -> None:
            self._pipeline.on_device(lambda: self._faces.note(sights), work)

        with Relay(note, capacity=SIGHTS_WAITING, batch=SIGHTS_AT_ONCE, name="sights") as sights:
            while self._faces.frames < stop:
                refuse_if_cancelled(work)
                frame = self._pictures.next()
                if frame is None:
                    last = True
                    break
                share = frame.share
                sights.put(self._pipeline.on_device(functools.partial(self._faces.follow, frame), work))
        record: dict[str, Any] = self._faces.take()
        state = self._faces.state()
        media_s = self._faces.upto_s - began_s
        if not last:
            return Segment(record, state, share, media_s)
        summary = self._pictures.outcome
        record |= {"media": summary.media, "flags": summary.flags, "state": state}
        return Segment(record, None, 1.0, media_s)

    def close(self) -> None:
        """End the decoding."""
        self._pictures.close()
