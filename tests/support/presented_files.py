"""Files whose tracks begin when a test says so, and where their sounds are heard."""

import io
from fractions import Fraction

import av
import numpy as np

PICTURE_CODECS = {
    "mp4": "mpeg4",
    "mov": "mpeg4",
    "matroska": "mpeg4",
    "webm": "libvpx",
    "mpegts": "mpeg4",
    "flv": "h264",
}


def presented(container, sounds, rate_hz=48_000, pictures=()):
    """A file whose tracks begin when they are told to.

    Args:
        container: FFmpeg's muxer.
        sounds: of each sound track a mapping: codec, samples float32 [channels, n], and where wanted start_s, gap
            (second of the samples at which time is left out, seconds of it), default, language.
        pictures: of each picture track a mapping: duration_s, and where wanted start_s, rate, default.
    """
    target = io.BytesIO()
    packets = []
    muxing = {"page_duration": "1"} if container == "ogg" else {}  # a page tells when it ends: one for each packet
    with av.open(target, "w", format=container, options=muxing) as output:
        made = []
        for sound in sounds:
            samples = np.atleast_2d(np.asarray(sound["samples"], np.float32))
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
            options = {"strict": "experimental"}
            stream = output.add_stream(sound["codec"], rate=rate_hz, layout=layout, options=options)
            _describe(stream, sound)
            made.append((stream, _sound_frames(stream, samples, layout, rate_hz, sound)))
        for picture in pictures:
            rate = picture.get("rate", 25)
            stream = output.add_stream(PICTURE_CODECS[container], rate=rate)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.thread_count = 1
            stream.codec_context.max_b_frames = 0
            _describe(stream, picture)
            made.append((stream, _picture_frames(picture, rate)))
        output.start_encoding()
        for stream, frames in made:
            for frame in [*frames, None]:
                packets += stream.encode(frame)
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            output.mux(packet)
    return target.getvalue()


def _describe(stream, wanted):
    if "language" in wanted:
        stream.metadata["language"] = wanted["language"]
    if "default" in wanted:
        default = av.stream.Disposition.default if wanted["default"] else av.stream.Disposition(0)
        stream.disposition = default


def _sound_frames(stream, samples, layout, rate_hz, sound):
    context = stream.codec_context
    context.open(strict=False)
    step = context.frame_size or 1024
    resampler = av.AudioResampler(context.codec.audio_formats[0].name, layout, rate_hz)
    start = round(sound.get("start_s", 0.0) * rate_hz)
    gap_at_s, gap_s = sound.get("gap", (0.0, 0.0))
    gap_at = round(gap_at_s * rate_hz) // step * step
    for first in range(0, samples.shape[1], step):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, first : first + step]), "fltp", layout)
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        left_out = round(gap_s * rate_hz) if gap_s and first >= gap_at else 0
        for packed in resampler.resample(frame):
            packed.pts, packed.time_base = start + first + left_out, Fraction(1, rate_hz)
            yield packed


def _picture_frames(picture, rate):
    for index in range(round(picture["duration_s"] * rate)):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + index % 150, np.uint8), format="rgb24")
        frame.pts = index + round(picture.get("start_s", 0.0) * rate)
        frame.time_base = Fraction(1, rate)
        yield frame


def bursts(times_s, duration_s, rate_hz=48_000, burst_s=0.25, amplitude=0.5):
    """Tones of 440 Hz that begin at ``times_s`` in silence, float32 [n]."""
    samples = np.zeros(round(duration_s * rate_hz), np.float32)
    tone_samples = (amplitude * np.sin(2 * np.pi * 440 * np.arange(round(burst_s * rate_hz)) / rate_hz)).astype("f4")
    for time_s in times_s:
        begin = round(time_s * rate_hz)
        part = samples[begin : begin + len(tone_samples)]
        part += tone_samples[: len(part)]
    return samples


def onsets(samples, rate_hz, quiet_s=0.1, level=0.1):
    """Seconds at which float32 [n] becomes loud after ``quiet_s`` of quiet."""
    loud = np.flatnonzero(np.abs(samples) > level)
    if not len(loud):
        return []
    first = np.r_[True, np.diff(loud) > quiet_s * rate_hz]
    return (loud[first] / rate_hz).tolist()
