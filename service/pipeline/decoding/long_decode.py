"""Decoding of recordings too long for memory: from a source of bytes, piece by piece."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.decoder_messages import (
    announced_samples,
    file_end_of,
    flags_of,
    picture_media,
    sound_media,
    spans_of,
)
from service.pipeline.decoding.frame_stream import FrameReceiver, VideoFrame, VideoSummary
from service.pipeline.decoding.outline import outline
from service.pipeline.decoding.playback import Playback
from service.pipeline.decoding.pool import WorkerDiedError
from service.pipeline.decoding.protocol import Channel
from service.pipeline.decoding.remote_file import ByteSource, answer_read
from service.pipeline.media.channels import PickedChannels
from service.pipeline.media.containers import VIDEO_CODECS
from service.pipeline.media.intake import sniff
from service.pipeline.options import check_range
from service.pipeline.results import FlagSpan, FloatArray, MediaInfo
from service.problems import MediaInvalid, NoVideoStream
from service.settings import Limits

BLOCKS_AHEAD = 8
"""Blocks of samples decoded ahead of their use."""

FRAMES_AHEAD = 2
"""Frames decoded ahead of their use."""

LARGEST_BLOCK_SAMPLES = 4_000_000
"""Most samples in one message; a decoder process that sends more has gone wrong."""

OnMessage = Callable[[dict[str, Any], Channel], None]


@dataclass(frozen=True)
class SoundFacts:
    """Facts about a sound track that was decoded to its end: the fields of a :class:`DecodedAudio`."""

    media: MediaInfo
    flags: tuple[str, ...]
    spans: tuple[FlagSpan, ...] = ()
    names: tuple[str, ...] = ()


SoundPlayback = Playback[FloatArray, SoundFacts]
"""Blocks float32 [channels, samples]; the outcome is the facts."""

Pictures = Playback[VideoFrame, VideoSummary]
"""Frames; the outcome is the summary."""


class LongDecoder(Decoder):
    """Decodes sources of bytes in its own processes, so that short requests never wait for long recordings.

    Args:
        limits: limits of a long recording.
        workers: recordings decoded at once.
        timeout_s: seconds that one decode may take, including waits of its consumer.
        on_event: as of :class:`Decoder`.
    """

    def __init__(
        self, limits: Limits, workers: int, timeout_s: float, on_event: Callable[[str, str], None] | None = None
    ) -> None:
        super().__init__(limits, workers, on_event)
        self._timeout_s = timeout_s

    def sound(
        self,
        source: ByteSource,
        *,
        target_rate_hz: int,
        start_s: float | None = None,
        end_s: float | None = None,
        channel: PickedChannels | None = None,
        track: int | None = None,
    ) -> SoundPlayback:
        """Begin to decode the sound of ``source``; the arguments are those of :meth:`Decoder.audio`.

        Equal sources give equal samples. Problems are raised by :meth:`Playback.next`.
        """
        return Playback(
            lambda put: self._play_sound(source, target_rate_hz, start_s, end_s, channel, track, put),
            ahead=BLOCKS_AHEAD,
            name="sound",
        )

    def frames(self, source: ByteSource, *, skip_frames: int = 0, picture_track: int | None = None) -> Pictures:
        """Begin to decode the pictures of ``source``, from the frame with the number ``skip_frames`` on."""
        return Playback(
            lambda put: self._play_pictures(source, skip_frames, picture_track, put),
            ahead=FRAMES_AHEAD,
            name="pictures",
        )

    def _play_sound(
        self,
        source: ByteSource,
        target_rate_hz: int,
        start_s: float | None,
        end_s: float | None,
        channel: PickedChannels | None,
        track: int | None,
        put: Callable[[FloatArray], None],
    ) -> SoundFacts:
        check_range(start_s, end_s)
        container = sniff(outline(source))
        job = replace(self._job(container, target_rate_hz, start_s, end_s), channel=channel, track=track)
        received = False

        def on_message(message: dict[str, Any], channel: Channel) -> None:
            nonlocal received
            if not answer_read(message, channel, source):
                block = self._receive_block(message, channel)
                received = True
                put(block)

        facts = self._play("audio", asdict(job), source, on_message)
        if not received:
            raise MediaInvalid("The chosen range has no samples.")
        names = tuple(str(name) for name in facts["names"])
        return SoundFacts(sound_media(facts, job.container), flags_of(facts), spans_of(facts), names)

    def _receive_block(self, message: dict[str, Any], channel: Channel) -> FloatArray:
        """Read the payload of a 'samples' message: float32 [channels, samples]."""
        channels, samples = announced_samples(message, self._limits.max_channels, LARGEST_BLOCK_SAMPLES)
        block = np.empty((channels, samples), np.float32)
        channel.receive_into(block.reshape(-1).view(np.uint8).data)
        return block

    def _play_pictures(
        self, source: ByteSource, skip_frames: int, picture_track: int | None, put: Callable[[VideoFrame], None]
    ) -> VideoSummary:
        container = sniff(outline(source))
        if container.name not in VIDEO_CODECS:
            raise NoVideoStream
        job = replace(self._video_job(container), skip_frames=skip_frames, picture_track=picture_track)
        receiver = FrameReceiver(self._limits, put)

        def on_message(message: dict[str, Any], channel: Channel) -> None:
            if not answer_read(message, channel, source):
                receiver.receive(message, channel)

        facts = self._play("video", asdict(job), source, on_message)
        shown = skip_frames + receiver.frames
        end_s = min(file_end_of(facts), self._limits.max_duration_s)
        return VideoSummary(picture_media(facts, job.container), shown, flags_of(facts), end_s)

    def _play(
        self, kind: str, arguments: dict[str, object], source: ByteSource, on_message: OnMessage
    ) -> dict[str, Any]:
        try:
            return self._pool.run(
                kind,
                arguments,
                memoryview(b""),
                on_message,
                total_timeout_s=self._timeout_s,
                remote_bytes=len(source),
                is_long=True,
            )
        except WorkerDiedError as death:
            raise self._problem_of(death) from None
