"""What the video pipeline needs of the decoder and of the speech pipeline."""

from __future__ import annotations

from typing import Protocol

from service.pipeline.decoding.frame_stream import OnFrame, VideoSummary
from service.pipeline.device.admit import Admission
from service.pipeline.device.task import AudioDecoder, Work
from service.pipeline.results import AudioEmotion, AudioOptions
from service.pipeline.video.live import PictureDecoder
from service.pipeline.video.sound_track import SpeechFinder


class VideoDecoder(AudioDecoder, PictureDecoder, Protocol):
    """Turns uploads into frames as well as into samples."""

    def video(self, data: bytes | memoryview, on_frame: OnFrame, *, timeout_s: float) -> VideoSummary:
        """Decode the pictures of ``data``, one at a time."""


class Speech(SpeechFinder, Protocol):
    """What the speech pipeline does for videos."""

    @property
    def admission(self) -> Admission:
        """What is in the system."""

    def analyse(self, data: bytes | memoryview, options: AudioOptions, work: Work) -> AudioEmotion:
        """Judge the sound track."""
