"""Watching an upload: frames are received, faces followed and features noted at the same time, in three threads."""

import time
from collections import deque
from dataclasses import replace
from typing import Final

from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.frame_stream import VideoFrame, VideoSummary
from service.pipeline.device.admit import Hold
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_on_device
from service.pipeline.device.task import Work
from service.pipeline.video.relay import Relay
from service.pipeline.video.video_faces import Sight, VideoFaces, other_picture_tracks
from service.problems import CodecUnsupported, MediaInvalid

FRAMES_WAITING, FRAMES_AT_ONCE = 8, 4
"""Largest number of frames that wait to be followed, and the number that one call of the device follows."""

SIGHTS_WAITING, SIGHTS_AT_ONCE = 8, 4
"""Largest number of followed frames that wait for their features, and the number that is computed together."""

FACES_SHARE: Final = 0.85
"""Progress when all frames are seen."""


def watch_video(
    decoder: Decoder,
    data: bytes | memoryview,
    faces: VideoFaces,
    hold: Hold,
    work: Work,
    device: Batcher,
    picture_track: int | None = None,
) -> tuple[VideoFaces, VideoSummary]:
    """Follow the faces of a picture track; where that has none and none is named, those of the first track with a face.

    Args:
        decoder: decodes the pictures.
        data: the upload.
        faces: what follows them and keeps what it sees.
        hold: grows with the video, whose length is known at its end.
        work: the request; told 'decode' and 'faces', the seconds that each took beside the other.
        device: follows faces.
        picture_track: number of the picture track; None leaves the choice to the decoder.

    Returns:
        What was seen, and of which track.

    Raises:
        Problem: as the decoder's and the device's.
        Cancelled: the work was cancelled.
    """
    summary = _watch_frames(decoder, data, faces, hold, work, device, picture_track)
    if picture_track is not None or faces.has_face:
        return faces, summary
    watching = replace(work, progress=None)  # it counts from 0; the stages' times stay shared
    for track in other_picture_tracks(summary.recording):
        others = faces.afresh()
        try:
            found = _watch_frames(decoder, data, others, hold, watching, device, track)
        except (MediaInvalid, CodecUnsupported):
            continue
        if others.has_face:
            return others, found
    return faces, summary


def _watch_frames(
    decoder: Decoder,
    data: bytes | memoryview,
    faces: VideoFaces,
    hold: Hold,
    work: Work,
    device: Batcher,
    picture_track: int | None,
) -> VideoSummary:
    """Follow the faces of every frame of a track; arguments and errors as those of :func:`watch_video`."""
    decoded_s = 0.0
    began_at = received_at = time.monotonic()

    def note(sights: list[Sight]) -> None:
        run_on_device(device, lambda: faces.note(sights), work)

    def follow(frames: list[VideoFrame]) -> None:
        left, found = deque(frames), list[Sight]()

        def all_left() -> None:
            while left:  # a failed call is repeated: from the frame that failed on
                found.append(faces.follow(left[0]))
                left.popleft()

        run_on_device(device, all_left, work)
        for sight in found:
            sights.put(sight)

    def on_frame(frame: VideoFrame) -> None:
        nonlocal decoded_s, received_at
        decoded_s += time.monotonic() - received_at
        if frame.time_s > hold.seconds:
            hold.resize(1.5 * frame.time_s)
        frames.put(frame)
        work.report(FACES_SHARE * frame.share)
        received_at = time.monotonic()

    with (
        Relay(note, capacity=SIGHTS_WAITING, batch=SIGHTS_AT_ONCE, name="sights") as sights,
        Relay(follow, capacity=FRAMES_WAITING, batch=FRAMES_AT_ONCE, name="frames") as frames,
    ):
        summary = decoder.video(
            data, on_frame, timeout_s=max(work.deadline - began_at, 0.0), picture_track=picture_track
        )
        decoded_s += time.monotonic() - received_at
    work.took("decode", decoded_s)
    work.took("faces", time.monotonic() - began_at - decoded_s)
    hold.resize(summary.recording.duration_s)
    work.report(FACES_SHARE)
    return summary
