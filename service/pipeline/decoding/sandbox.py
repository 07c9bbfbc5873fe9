"""Decoding with FFmpeg; no other module decodes media. It runs in a decoder process that can open nothing.

No number in a file is trusted: limits are checked against the samples and frames as they are decoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from service.flags import Flag
from service.pipeline.media.containers import DEMUXER_NAMES
from service.pipeline.media.plain_pcm import PLAIN_PCM, read_plain_pcm
from service.pipeline.media.sampling import AudioJob, SampleSink, check_format
from service.pipeline.media.video_frames import FrameClock, Picture, VideoJob, check_size, scaled_size, turned
from service.pipeline.media.wav import WavLayout
from service.pipeline.results import FloatArray
from service.problems import (
    CodecUnsupported,
    MediaEmpty,
    MediaExternalReference,
    MediaInconsistent,
    MediaInvalid,
    MediaTooLong,
    NoAudioStream,
    NoVideoStream,
    TooManyStreams,
)

TRUNCATED_S: Final = 0.1
"""Seconds missing at the end, by its header, from which a recording is flagged 'truncated'."""

TRUNCATED_VIDEO_S: Final = 0.5
"""Seconds missing at the end from which a video is flagged 'truncated'; its sound may be a little longer."""

DAMAGED_PACKETS_SHARE: Final = 0.5
"""Share of undecodable packets above which a recording is refused; below it is flagged 'damaged'."""

_DECODERS: Final[dict[str, tuple[str, ...]]] = {
    "mp3": ("mp3", "mp3float"),
    "opus": ("opus", "libopus"),
    "vp8": ("vp8", "libvpx"),
    "vp9": ("vp9", "libvpx-vp9"),
    "av1": ("libdav1d",),  # FFmpeg's own needs hardware
}
_CLAIMS_SAMPLES: Final = frozenset({"flac"})

Emit = Callable[[FloatArray], None]
EmitFrame = Callable[[float, Picture, float], None]


def silence_logs() -> None:
    """Switch off FFmpeg's log messages: they quote files."""
    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)


def decode_audio(upload: BinaryIO, job: AudioJob, emit: Emit) -> dict[str, object]:
    """Decode the first sound track.

    Args:
        upload: the whole file.
        job: detected container, requested range and limits.
        emit: called with float32 [channels, samples] at ``job.target_rate_hz``.

    Returns:
        See :meth:`SampleSink.facts`.

    Raises:
        Problem: the file cannot be decoded. Any other exception is FFmpeg's and means the same.
    """
    if job.wav is not None and job.wav["codec"] in PLAIN_PCM:
        return read_plain_pcm(upload, WavLayout(**job.wav), job, emit)
    return decode_any(upload, job, emit)


def decode_any(upload: BinaryIO, job: AudioJob, emit: Emit) -> dict[str, object]:
    """Decode any container with FFmpeg. Arguments, result and errors as of :func:`decode_audio`."""
    with _open(upload, job.demuxer, job.audio_codecs) as container:
        stream = _sound_track(container, job)
        if _claimed_s(container, stream) > job.max_duration_s:
            _refuse_if_too_long(container, stream, job)
    upload.seek(0)
    with _open(upload, job.demuxer, job.audio_codecs) as container:
        return _decode(container, _sound_track(container, job), job, emit)


def _open(upload: BinaryIO, demuxer: str, codecs: Iterable[str], max_pixels: int = 1) -> InputContainer:
    """Open with this demuxer and these codecs alone; frames may have at most ``max_pixels``."""
    decoders = [name for codec in sorted(codecs) for name in _DECODERS.get(codec, (codec,))]
    options = {
        "format_whitelist": DEMUXER_NAMES.get(demuxer, demuxer),
        "codec_whitelist": ",".join(decoders),
        "protocol_whitelist": "none",
    }
    return av.open(
        upload,
        "r",
        format=demuxer,
        container_options=options,
        options={"max_pixels": str(max_pixels)},
        metadata_errors="replace",
        io_open=_refuse_to_open,
    )


def _refuse_to_open(*_: object) -> None:
    raise MediaExternalReference


def _sound_track(container: InputContainer, job: AudioJob) -> AudioStream:
    """The first audio stream, ready to decode on one thread; all others are discarded."""
    streams = _all_streams(container, job.max_streams)
    sound = next((stream for stream in streams if isinstance(stream, AudioStream)), None)
    if sound is None:
        raise NoAudioStream
    context = sound.codec_context
    if context is None or context.codec.canonical_name not in job.audio_codecs:
        raise CodecUnsupported
    context.thread_count = 1
    _discard_others(streams, sound)
    return sound


def _all_streams(container: InputContainer, max_streams: int) -> list[Stream]:
    streams = list(container.streams)
    if len(streams) > max_streams:
        raise TooManyStreams
    return streams


def _discard_others(streams: list[Stream], chosen: Stream) -> None:
    for stream in streams:
        if stream is not chosen:
            stream.discard = av.stream.Discard.all


def _claimed_s(container: InputContainer, stream: Stream) -> float:
    """Duration claimed by the headers in seconds, 0 if none; never trusted, only a reason to count."""
    claims = [0.0]
    if container.duration:
        claims.append(container.duration / av.time_base)
    if stream.duration and stream.time_base:
        claims.append(float(stream.duration * stream.time_base))
    return max(claims)


def _refuse_if_too_long(container: InputContainer, stream: AudioStream, job: AudioJob) -> None:
    """Count samples without converting them: half the time of a full decode (measured)."""
    samples = 0
    for frame in _Frames(container, stream):
        check_format(job, frame.sample_rate, frame.layout.nb_channels)
        samples += frame.samples
        if samples > job.max_duration_s * frame.sample_rate:
            raise MediaTooLong


def _decode(container: InputContainer, stream: AudioStream, job: AudioJob, emit: Emit) -> dict[str, object]:
    sink: SampleSink | None = None
    frames = _Frames(container, stream)
    for frame in frames:
        channels = frame.layout.nb_channels
        if sink is None:
            sink = SampleSink(job, frame.sample_rate, channels, emit)
        elif (frame.sample_rate, channels) != (sink.sample_rate_hz, sink.channels):
            raise MediaInconsistent("The recording changes its sample rate or channels.")
        block = frame.to_ndarray()
        sink.add(block if frame.format.is_planar else block.reshape(-1, channels).T)
    if sink is None:
        check_format(job, stream.codec_context.sample_rate, stream.codec_context.channels)
        sink = SampleSink(job, stream.codec_context.sample_rate, stream.codec_context.channels, emit)
        if frames.damaged:
            raise MediaInvalid
    if frames.damaged > DAMAGED_PACKETS_SHARE * frames.packets:
        raise MediaInvalid
    promised_s = _claimed_s(container, stream) if job.container in _CLAIMS_SAMPLES else 0.0
    truncated = promised_s - sink.samples / sink.sample_rate_hz > TRUNCATED_S
    codec = stream.codec_context.codec.canonical_name
    return sink.facts(codec, truncated=truncated, damaged=frames.damaged > 0)


class _Frames:
    """Iterates over decoded frames; skips and counts undecodable packets."""

    def __init__(self, container: InputContainer, stream: AudioStream | VideoStream) -> None:
        self._container = container
        self._stream = stream
        self.packets = 0
        self.damaged = 0

    def __iter__(self) -> Iterator[Any]:
        for packet in self._packets():
            self.packets += 1
            try:
                frames = packet.decode()
            except (av.error.InvalidDataError, av.error.UndefinedError):
                self.damaged += 1
                continue
            except av.error.EOFError:
                return
            yield from frames

    def _packets(self) -> Iterator[Packet[Any]]:
        """Demux up to the first error of the container."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.InvalidDataError:
            self.damaged += 1


def decode_video(upload: BinaryIO, job: VideoJob, emit: EmitFrame) -> dict[str, object]:
    """Decode the first picture track.

    Args:
        upload: the whole file.
        job: detected container and limits.
        emit: called with the time in seconds, uint8 [height, width, 3] RGB, and the share of the claimed length
            before the frame (0 without one). It may block; no frame is decoded meanwhile.

    Returns:
        ``duration_s``, ``codec``, ``frame_rate_hz``, ``width``, ``height``, ``flags``.

    Raises:
        Problem: the file cannot be decoded. Any other exception is FFmpeg's and means the same.
    """
    with _open(upload, job.demuxer, job.video_codecs, job.max_frame_pixels) as container:
        stream = _picture_track(container, job)
        return _decode_pictures(container, stream, job, emit)


def _picture_track(container: InputContainer, job: VideoJob) -> VideoStream:
    """The first video stream that is no cover picture, ready to decode on one thread."""
    streams = _all_streams(container, job.max_streams)
    moving = (stream for stream in streams if isinstance(stream, VideoStream))
    pictures = next((stream for stream in moving if not stream.disposition & Disposition.attached_pic), None)
    if pictures is None:
        raise NoVideoStream
    context = pictures.codec_context
    if context is None or context.codec.canonical_name not in job.video_codecs:
        raise CodecUnsupported
    check_size(job, context.width, context.height)
    context.thread_count = 1
    _discard_others(streams, pictures)
    return pictures


def _decode_pictures(
    container: InputContainer, stream: VideoStream, job: VideoJob, emit: EmitFrame
) -> dict[str, object]:
    clock = FrameClock(job, float(stream.average_rate or 0))
    claimed_s = _claimed_s(container, stream)
    reformatter = VideoReformatter()
    frames = _Frames(container, stream)
    size = (0, 0)
    skipped = corrupt = taken = 0
    for frame in frames:
        check_size(job, frame.width, frame.height)
        if frame.is_corrupt:
            corrupt += 1
            continue
        time_s = clock.tick(None if frame.pts is None else float(frame.pts * frame.time_base))
        size = size if any(size) else (frame.width, frame.height)
        if not clock.takes(time_s):
            skipped += 1
            continue
        taken += 1
        if taken <= job.skip_frames:
            continue
        picture = _picture(reformatter, frame, float(stream.sample_aspect_ratio or 1))
        emit(time_s, picture, min(time_s / claimed_s, 1.0) if claimed_s > 0 else 0.0)
    damaged = frames.damaged + corrupt
    if clock.frames == 0:
        raise MediaInvalid if damaged else MediaEmpty("The video has no frames.")
    if damaged > DAMAGED_PACKETS_SHARE * frames.packets:
        raise MediaInvalid
    late_s = claimed_s - clock.duration_s if job.container == "webm" else 0.0
    found = {
        Flag.DAMAGED: damaged > 0,
        Flag.TRUNCATED: late_s > TRUNCATED_VIDEO_S,
        Flag.TIMES_REPAIRED: clock.repaired > 0,
        Flag.THINNED: skipped > 0,
    }
    return {
        "duration_s": clock.duration_s,
        "codec": stream.codec_context.codec.canonical_name,
        "frame_rate_hz": clock.rate_hz,
        "width": size[0],
        "height": size[1],
        "flags": [name for name, is_set in found.items() if is_set],
    }


def decode_pictures(
    upload: BinaryIO, times_s: list[float], sizes: list[int], max_frame_pixels: int, emit: EmitFrame
) -> dict[str, object]:
    """Decode JPEG pictures, which follow each other in ``upload``, without a demuxer.

    Raises:
        Problem: a picture cannot be decoded or is too large. Any other exception is FFmpeg's and means the same.
    """
    reformatter = VideoReformatter()
    for time_s, size in zip(times_s, sizes, strict=True):
        context = av.VideoCodecContext.create("mjpeg", "r")
        context.thread_count = 1
        context.options = {"max_pixels": str(max_frame_pixels)}
        frames = context.decode(Packet(upload.read(size)))
        if not frames or frames[0].is_corrupt:
            raise MediaInvalid("A picture cannot be decoded.")
        emit(time_s, _picture(reformatter, frames[0], 1.0), 0.0)
    return {}


def _picture(reformatter: VideoReformatter, frame: VideoFrame, pixel_aspect: float) -> Picture:
    """The frame upright, scaled down and in RGB, uint8 [height, width, 3]; made without threads of FFmpeg."""
    width, height = scaled_size(frame.width, frame.height, pixel_aspect)
    scaled = reformatter.reformat(frame, width, height, "rgb24", interpolation="AREA", threads=1)
    return turned(np.asarray(scaled.to_ndarray(), np.uint8), frame.rotation)


def warm_up_video() -> None:
    """Encode and decode two frames, so that FFmpeg loads all that it loads late for pictures.

    Raises:
        RuntimeError: they cannot be decoded, so the installation is broken.
    """
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.thread_count = 1
        for level in (0, 255):
            picture = np.full((48, 64, 3), level, np.uint8)
            output.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    target.seek(0)
    job = VideoJob("mp4", "mov", ("mpeg4",), 60.0, 64 * 48, 10, 40.0, 1)
    times_s: list[float] = []
    decode_video(target, job, lambda time_s, *_: times_s.append(time_s))
    if len(times_s) != 2:
        raise RuntimeError("the decoder does not decode video")
