"""The only module that decodes media. It runs in a decoder process that can open nothing (see worker.py).

Every number a file claims is doubted: limits are held against the samples that come out, while they do.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from service.pipeline.containers import DEMUXER_NAMES
from service.pipeline.results import FloatArray
from service.pipeline.sampling import AudioJob, SampleSink, check_format
from service.pipeline.wav import WavLayout
from service.problems import (
    CodecUnsupported,
    MediaExternalReference,
    MediaInconsistent,
    MediaInvalid,
    MediaTooLong,
    NoAudioStream,
    TooManyStreams,
)

WAV_BLOCK_FRAMES: Final = 65_536
TRUNCATED_S: Final = 0.1
"""A recording that ends this much before what its header promises is flagged 'truncated'."""

DAMAGED_PACKETS_SHARE: Final = 0.5
"""With more undecodable packets than this the recording is refused, with fewer it is flagged 'damaged'."""

_PLAIN_PCM: Final[dict[str, str]] = {
    "pcm_u8": "u1",
    "pcm_s16le": "<i2",
    "pcm_s24le": "u1",
    "pcm_s32le": "<i4",
    "pcm_f32le": "<f4",
    "pcm_f64le": "<f8",
}
_DECODERS: Final[dict[str, tuple[str, ...]]] = {"mp3": ("mp3", "mp3float"), "opus": ("opus", "libopus")}
_CLAIMS_SAMPLES: Final = frozenset({"flac"})

Emit = Callable[[FloatArray], None]


def silence_logs() -> None:
    """Keep FFmpeg's own messages, which quote files, from being written anywhere."""
    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)


def decode_audio(upload: io.BytesIO, job: AudioJob, emit: Emit) -> dict[str, object]:
    """Decode the first sound track.

    Args:
        upload: the whole file.
        job: what was sniffed, what is wanted and what is allowed.
        emit: called with float32 [channels, samples] at ``job.target_rate_hz``.

    Returns:
        ``duration_s`` of the whole recording, ``codec``, ``sample_rate_hz``, ``channels``, ``flags``.

    Raises:
        Problem: whatever is wrong with the file. Any other exception is FFmpeg's and means the same.
    """
    if job.wav is not None and job.wav["codec"] in _PLAIN_PCM:
        return _read_wav(upload, WavLayout(**job.wav), job, emit)
    return decode_any(upload, job, emit)


def _read_wav(upload: io.BytesIO, layout: WavLayout, job: AudioJob, emit: Emit) -> dict[str, object]:
    """Plain PCM needs no demuxer: numpy reads 3 s in 0.02 ms, FFmpeg in 2.8 ms (measured)."""
    frames = layout.data_bytes // layout.frame_bytes
    sink = SampleSink(job, layout.sample_rate_hz, layout.channels, emit)
    if frames > job.max_duration_s * layout.sample_rate_hz:
        raise MediaTooLong
    view = upload.getbuffer()[layout.data_start : layout.data_start + layout.data_bytes]
    for first in range(0, frames, WAV_BLOCK_FRAMES):
        rows = view[first * layout.frame_bytes : (first + WAV_BLOCK_FRAMES) * layout.frame_bytes]
        sink.add(_unpack(rows, layout))
    return _result(sink, layout.codec, layout.truncated, damaged=False)


def _unpack(rows: memoryview, layout: WavLayout) -> NDArray[Any]:
    """Return interleaved PCM bytes as [channels, frames]; 24 bits become the upper bits of 32."""
    samples = np.frombuffer(rows, _PLAIN_PCM[layout.codec])
    if layout.codec == "pcm_s24le":
        wide = np.zeros((len(rows) // 3, 4), np.uint8)
        wide[:, 1:] = samples.reshape(-1, 3)
        samples = wide.view("<i4")[:, 0]
    return samples.reshape(-1, layout.channels).T


def decode_any(upload: io.BytesIO, job: AudioJob, emit: Emit) -> dict[str, object]:
    """Decode with FFmpeg, whatever the container. Arguments, result and errors as :func:`decode_audio`."""
    with _open(upload, job) as container:
        stream = _sound_track(container, job)
        if _claimed_s(container, stream) > job.max_duration_s:
            _refuse_if_too_long(container, stream, job)
    upload.seek(0)
    with _open(upload, job) as container:
        return _decode(container, _sound_track(container, job), job, emit)


def _open(upload: io.BytesIO, job: AudioJob) -> InputContainer:
    decoders = [name for codec in sorted(job.audio_codecs) for name in _DECODERS.get(codec, (codec,))]
    options = {
        "format_whitelist": DEMUXER_NAMES.get(job.demuxer, job.demuxer),
        "codec_whitelist": ",".join(decoders),
        "protocol_whitelist": "none",
    }
    return av.open(
        upload,
        "r",
        format=job.demuxer,
        container_options=options,
        metadata_errors="replace",
        io_open=_refuse_to_open,
    )


def _refuse_to_open(*_: object) -> None:
    raise MediaExternalReference


def _sound_track(container: InputContainer, job: AudioJob) -> AudioStream:
    """Return the first audio stream, ready to decode on one thread, all others discarded."""
    streams = list(container.streams)
    if len(streams) > job.max_streams:
        raise TooManyStreams
    sound = next((stream for stream in streams if isinstance(stream, AudioStream)), None)
    if sound is None:
        raise NoAudioStream
    context = sound.codec_context
    if context is None or context.codec.canonical_name not in job.audio_codecs:
        raise CodecUnsupported
    context.thread_count = 1
    for stream in streams:
        if stream is not sound:
            stream.discard = av.stream.Discard.all
    return sound


def _claimed_s(container: InputContainer, stream: AudioStream) -> float:
    """Return the duration that the headers claim in seconds, 0 if none. Only ever a reason to look closer."""
    claims = [0.0]
    if container.duration:
        claims.append(container.duration / av.time_base)
    if stream.duration and stream.time_base:
        claims.append(float(stream.duration * stream.time_base))
    return max(claims)


def _refuse_if_too_long(container: InputContainer, stream: AudioStream, job: AudioJob) -> None:
    """Count samples without converting any: half the time of decoding for use (measured)."""
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
            raise MediaInconsistent("The recording changes its sample rate or channels on the way.")
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
    return _result(sink, codec, truncated, damaged=frames.damaged > 0)


class _Frames:
    """Iterates over decoded frames, stepping over packets that cannot be decoded and counting them."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self.packets = 0
        self.damaged = 0

    def __iter__(self) -> Iterator[AudioFrame]:
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

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        """Demux up to the first error of the container itself."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.InvalidDataError:
            self.damaged += 1


def _result(sink: SampleSink, codec: str, truncated: bool, *, damaged: bool) -> dict[str, object]:
    duration_s = sink.finish()
    flags = [
        name for name, is_set in (("clipped", sink.clipped), ("truncated", truncated), ("damaged", damaged)) if is_set
    ]
    return {
        "duration_s": duration_s,
        "codec": codec,
        "sample_rate_hz": sink.sample_rate_hz,
        "channels": sink.channels,
        "flags": flags,
    }
