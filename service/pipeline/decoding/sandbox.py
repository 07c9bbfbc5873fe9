"""Decoding with FFmpeg; no other module decodes media. It runs in a decoder process that can open nothing.

No number in a file is trusted: limits are checked against the samples and frames as they are decoded.
"""

import io
from collections.abc import Callable, Iterable
from typing import BinaryIO, Final, Literal

import av
import av.subtitles.codeccontext  # loaded on first use otherwise, when no file can be opened any more
import av.subtitles.stream
import av.subtitles.subtitle
import numpy as np
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from service.flags import Flag
from service.pipeline.decoding.demux import (
    INDEXED,
    Frames,
    behind,
    claimed_s,
    claimed_samples,
    ends_early,
    find_beginnings,
    holds_silence,
    note_indexed_ends,
    origin_of,
    refuse_if_too_long,
    told,
)
from service.pipeline.media.containers import DEMUXER_NAMES, LOSSLESS_CODECS, TITLES
from service.pipeline.media.plain_pcm import PLAIN_PCM, read_plain_pcm
from service.pipeline.media.sampling import AudioJob, SampleSink, check_format
from service.pipeline.media.tracks import PICTURE, SOUND, FoundTrack, choose_track, language_of
from service.pipeline.media.video_frames import FrameClock, Picture, VideoJob, check_size, scaled_size, turned
from service.pipeline.media.wav import WavLayout
from service.pipeline.results import FloatArray, Track
from service.problems import (
    CodecUnsupported,
    MediaEmpty,
    MediaExternalReference,
    MediaInconsistent,
    MediaInvalid,
    NoAudioStream,
    NoVideoStream,
    TooManyStreams,
)

TRUNCATED_S: Final = 0.1
"""Seconds missing at the end, by its header, from which a recording is flagged 'truncated'."""

TRUNCATED_VIDEO_S: Final = 0.5
"""Seconds missing at the end from which a video is flagged 'truncated'; its sound may be a little longer."""

_DECODERS: Final[dict[str, tuple[str, ...]]] = {
    "adpcm_g722": ("g722",),
    "adpcm_g726": ("g726",),
    "amr_nb": ("amrnb",),
    "amr_wb": ("amrwb",),
    "mp2": ("mp2", "mp2float"),
    "mp3": ("mp3", "mp3float"),
    "opus": ("opus", "libopus"),
    "vp8": ("vp8", "libvpx"),
    "vp9": ("vp9", "libvpx-vp9"),
    "av1": ("libdav1d",),  # FFmpeg's own needs hardware
}
_UNDECODABLE: Final = (av.error.FFmpegError,)

Emit = Callable[[FloatArray], None]
EmitFrame = Callable[[float, Picture, float], None]


def silence_logs() -> None:
    """Switch off FFmpeg's log messages: they quote files."""
    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)


def decode_audio(upload: BinaryIO, job: AudioJob, emit: Emit) -> dict[str, object]:
    """Decode one sound track.

    Args:
        upload: the whole file.
        job: what was sniffed, what is wanted and what is allowed.
        emit: called with float32 [channels, samples] at ``job.target_rate_hz``, from second 0 of the presentation
            clock to the end of the file's last track; time without sound is silence.

    Returns:
        See :meth:`SampleSink.facts`, and ``tracks``.

    Raises:
        Problem: the file cannot be decoded.
        OutgrownError: it has more samples than the job may go through.
        Exception: any other is FFmpeg's and means that the file cannot be decoded.
    """
    if job.wav is not None and job.wav["codec"] in PLAIN_PCM:
        return read_plain_pcm(upload, WavLayout(**job.wav), job, emit)
    return decode_any(upload, job, emit)


def decode_any(upload: BinaryIO, job: AudioJob, emit: Emit) -> dict[str, object]:
    """Decode any container with FFmpeg. Arguments, result and errors as of :func:`decode_audio`."""
    upload = behind(upload, job.first_byte)
    with _open(upload, job.demuxer, job.audio_codecs) as container:
        tracks = _tracks(container, job.audio_codecs, job.max_streams, job.demuxer)
        claims_too_long = claimed_s(container) > job.max_duration_s
        job.refuse_if_outgrown(claimed_samples(container), claimed_s(container))
    sound = [track for track in tracks if track.about.kind == SOUND]
    if not sound:
        raise NoAudioStream

    def is_silent(track: FoundTrack) -> bool:
        with _open(upload, job.demuxer, job.audio_codecs) as container:
            return holds_silence(_frames(container, track.index), job)

    chosen, silent = choose_track(sound, job.track, is_silent, "/track")
    if not chosen.is_decodable:
        raise CodecUnsupported(
            f"The sound is coded as {chosen.about.codec}. "
            f"Taken in {TITLES[job.container]} are {', '.join(sorted(job.audio_codecs))}."
        )
    if claims_too_long:
        with _open(upload, job.demuxer, job.audio_codecs) as container:
            refuse_if_too_long(_frames(container, chosen.index), job)
    with _open(upload, job.demuxer, job.audio_codecs) as container:
        return _decode(container, tracks, chosen, silent, upload, job, emit)


def _open(upload: BinaryIO, demuxer: str, codecs: Iterable[str], max_pixels: int = 1) -> InputContainer:
    """Open with one demuxer and these codecs alone, of which video ones may not make larger frames."""
    upload.seek(0)
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


def _tracks(container: InputContainer, codecs: Iterable[str], max_streams: int, demuxer: str) -> list[FoundTrack]:
    """Tracks of sound and moving pictures; subtitles, data and cover pictures are none. Reads packets."""
    if len(container.streams) > max_streams:
        raise TooManyStreams
    tracks: list[FoundTrack] = []
    counts = {SOUND: 0, PICTURE: 0}
    for stream in container.streams:
        if not isinstance(stream, AudioStream | VideoStream) or stream.disposition & Disposition.attached_pic:
            continue
        kind: Literal["sound", "picture"] = SOUND if isinstance(stream, AudioStream) else PICTURE
        context = stream.codec_context
        codec = "unknown" if context is None else context.codec.canonical_name
        is_default = bool(stream.disposition & Disposition.default)
        about = Track(counts[kind], kind, codec, language_of(stream.language), is_default)
        track = FoundTrack(stream.index, about, context is not None and codec in codecs)
        knows_start = kind == SOUND or demuxer in INDEXED  # that of pictures is guessed where they are not decoded
        if knows_start and stream.start_time is not None and stream.time_base:
            start_s = float(stream.start_time * stream.time_base)
            track.see(start_s, start_s)
        tracks.append(track)
        counts[kind] += 1
    if demuxer not in INDEXED:
        find_beginnings(container, _keep(container, [track.index for track in tracks]), tracks)
    return tracks


def _keep(container: InputContainer, indices: Iterable[int]) -> list[Stream]:
    """Read these streams alone, and decode on one thread."""
    kept = set(indices)
    for stream in container.streams:
        if stream.index not in kept:
            stream.discard = av.stream.Discard.all
        elif isinstance(stream, AudioStream | VideoStream) and stream.codec_context is not None:
            stream.codec_context.thread_count = 1
    return [stream for stream in container.streams if stream.index in kept]


def _to_read(container: InputContainer, chosen: FoundTrack, demuxer: str) -> list[Stream]:
    """The chosen track, and the others where reading them tells their ends and needs no leaps through the file."""
    everything = range(len(container.streams))
    return _keep(container, [chosen.index] if demuxer in INDEXED else everything)


def _frames(container: InputContainer, index: int) -> Frames:
    """The frames of one stream, all others left unread."""
    return Frames(container, _keep(container, [index]), index, _UNDECODABLE)


def _decode(
    container: InputContainer,
    tracks: list[FoundTrack],
    chosen: FoundTrack,
    silent: set[int],
    upload: BinaryIO,
    job: AudioJob,
    emit: Emit,
) -> dict[str, object]:
    origin_s = origin_of(tracks)
    stream = container.streams[chosen.index]
    assert isinstance(stream, AudioStream)
    codec = stream.codec_context.codec.canonical_name
    sink: SampleSink | None = None

    def open_sink(rate_hz: int, channels: int) -> SampleSink:
        return SampleSink(job, rate_hz, channels, codec, emit, origin_s=origin_s, lossless=codec in LOSSLESS_CODECS)

    streams = _to_read(container, chosen, job.demuxer)
    frames = Frames(container, streams, chosen.index, _UNDECODABLE, tracks)
    for frame, stamp_s in frames:
        channels = frame.layout.nb_channels
        if sink is None:
            sink = open_sink(frame.sample_rate, channels)
        elif (frame.sample_rate, channels) != (sink.sample_rate_hz, sink.channels):
            raise MediaInconsistent("The recording changes its sample rate or channels.")
        block = frame.to_ndarray()
        sink.add(block if frame.format.is_planar else block.reshape(-1, channels).T, stamp_s)
    if sink is None:
        check_format(job, stream.codec_context.sample_rate, stream.codec_context.channels)
        sink = open_sink(stream.codec_context.sample_rate, stream.codec_context.channels)
        if frames.damaged:
            raise MediaInvalid(f"Nothing of the recording's {TITLES[job.container]} file can be decoded.")
    frames.refuse_if_damaged()
    if job.demuxer in INDEXED:
        note_indexed_ends(container, tracks, chosen)
    zero_s = origin_s or 0.0
    sound_end_s = sink.end_s + zero_s
    file_end_s = max(sound_end_s, *(track.last_s or 0.0 for track in tracks if track is not chosen), 0.0)
    sink.fill(file_end_s)
    missing_s = claimed_s(container) - max(file_end_s, frames.last_s) if job.claims_length else 0.0
    chosen.first_s, chosen.last_s = zero_s + (sink.clock.sound_begins or 0) / sink.sample_rate_hz, sound_end_s
    facts = sink.facts(
        {
            Flag.TRUNCATED: missing_s > TRUNCATED_S
            or ends_early(upload, job.container)
            or bool(job.wav and job.wav[Flag.TRUNCATED]),
            Flag.DAMAGED: frames.damaged > 0,
            Flag.SEVERAL_TRACKS: sum(track.about.kind == SOUND for track in tracks) > 1,
            **{name: bool(job.wav[name]) for name in (Flag.HEADER_REPAIRED, Flag.TRAILING_DATA) if job.wav is not None},
        }
    )
    return facts | {"tracks": told(tracks, chosen, silent, zero_s)}


def decode_video(upload: BinaryIO, job: VideoJob, emit: EmitFrame) -> dict[str, object]:
    """Decode one picture track: the one asked for, else the one marked default, else the first.

    Args:
        upload: the whole file.
        job: detected container and limits.
        emit: called with the time in seconds, uint8 [height, width, 3] RGB, and the share of the claimed length
            before the frame (0 without one). It may block; no frame is decoded meanwhile.

    Returns:
        ``duration_s`` (the end of the pictures), ``file_end_s`` (that of the last track), ``codec``,
        ``frame_rate_hz``, ``width``, ``height``, ``flags``, ``tracks``.

    Raises:
        Problem: the file cannot be decoded. Any other exception is FFmpeg's and means the same.
    """
    with _open(upload, job.demuxer, job.video_codecs, job.max_frame_pixels) as container:
        tracks = _tracks(container, job.video_codecs, job.max_streams, job.demuxer)
        pictures = [track for track in tracks if track.about.kind == PICTURE]
        if not pictures:
            raise NoVideoStream
        chosen, _ = choose_track(pictures, job.picture_track, lambda _: False, "/picture_track")
        if not chosen.is_decodable:
            raise CodecUnsupported(
                f"The pictures are coded as {chosen.about.codec}. "
                f"Taken in {TITLES[job.container]} are {', '.join(job.video_codecs)}."
            )
    with _open(upload, job.demuxer, job.video_codecs, job.max_frame_pixels) as container:
        return _decode_pictures(container, tracks, chosen, job, emit)


def _decode_pictures(
    container: InputContainer, tracks: list[FoundTrack], chosen: FoundTrack, job: VideoJob, emit: EmitFrame
) -> dict[str, object]:
    stream = container.streams[chosen.index]
    assert isinstance(stream, VideoStream)
    origin_s = origin_of(tracks)
    check_size(job, stream.codec_context.width, stream.codec_context.height)
    clock = FrameClock(job, float(stream.average_rate or 0), origin_s)
    length_s = claimed_s(container, stream)
    reformatter = VideoReformatter()
    streams = _to_read(container, chosen, job.demuxer)
    frames = Frames(container, streams, chosen.index, _UNDECODABLE, tracks)
    size = (0, 0)
    skipped = corrupt = taken = 0
    for frame, stamp_s in frames:
        check_size(job, frame.width, frame.height)
        if frame.is_corrupt:
            corrupt += 1
            continue
        time_s = clock.tick(stamp_s)
        size = size if any(size) else (frame.width, frame.height)
        if not clock.takes(time_s):
            skipped += 1
            continue
        taken += 1
        if taken <= job.skip_frames:
            continue
        picture = _picture(reformatter, frame, float(stream.sample_aspect_ratio or 1))
        emit(time_s, picture, min(time_s / length_s, 1.0) if length_s > 0 else 0.0)
    if clock.frames == 0:
        raise MediaInvalid if frames.damaged + corrupt else MediaEmpty("The video has no frames.")
    frames.damaged += corrupt
    frames.refuse_if_damaged()
    if job.demuxer in INDEXED:
        note_indexed_ends(container, tracks, chosen)
    zero_s = origin_s or 0.0
    chosen.last_s = zero_s + clock.duration_s
    file_end_s = max(track.last_s or 0.0 for track in tracks)
    missing_s = claimed_s(container) - max(file_end_s, frames.last_s) if job.claims_length else 0.0
    found = {
        Flag.DAMAGED: frames.damaged > 0,
        Flag.TRUNCATED: missing_s > TRUNCATED_VIDEO_S,
        Flag.TIMES_REPAIRED: clock.repaired > 0,
        Flag.THINNED: skipped > 0,
        Flag.SEVERAL_TRACKS: sum(track.about.kind == PICTURE for track in tracks) > 1,
    }
    return {
        "duration_s": clock.duration_s,
        "file_end_s": file_end_s - zero_s,
        "codec": stream.codec_context.codec.canonical_name,
        "frame_rate_hz": clock.rate_hz,
        "width": size[0],
        "height": size[1],
        "flags": [name for name, is_set in found.items() if is_set],
        "tracks": told(tracks, chosen, set(), zero_s),
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
