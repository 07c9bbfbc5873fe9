"""Variants of a clip as a far-end microphone, a room and a line make them; part of :mod:`benchmarks.robustness`."""

import io
from collections.abc import Callable, Iterator, Sequence

import av
import numpy as np
import soundfile
import soxr

from export.denoiser.noises import babble, unit_power
from export.denoiser.rooms import draw_room
from service.pipeline.results import FloatArray

RATE_HZ, TELEPHONE_RATE_HZ = 16_000, 8_000
PACKET_S = 0.02
DISTANCE_M = (1.0, 2.0)
"""Distance of the microphone from the mouth, in rooms."""

Line = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Makes another recording of float32 [n] at 16 kHz."""


def lines(voices: Sequence[FloatArray]) -> Iterator[tuple[str, Line]]:
    """Every line by name.

    Args:
        voices: recordings that babble is mixed from.
    """
    for ratio_db in (20, 10, 0):
        yield f"white noise, {ratio_db} dB", _noisy(lambda count, source: source.normal(size=count), ratio_db)
        yield f"babble, {ratio_db} dB", _noisy(lambda count, source: babble(source, count, voices), ratio_db)
    for rt60_s in (0.3, 0.6, 1.0):
        yield f"room, RT60 {rt60_s} s", _room(rt60_s)
    for share in (1, 5, 10):
        yield f"packets lost, {share} %", _losing(share / 100)
    for rate in (24, 16, 8):
        yield f"Opus, {rate} kbit/s", lambda clip, _, rate=rate: opus(clip, rate)  # type: ignore[misc]
    yield "MP3, 32 kbit/s", lambda clip, _: coded(clip, RATE_HZ, "MP3", "MPEG_LAYER_III", 0.95)
    for name, coding in (("G.711 µ-law", "ULAW"), ("G.711 A-law", "ALAW"), ("GSM 06.10", "GSM610")):
        yield name, lambda clip, _, coding=coding: telephone(clip, coding)  # type: ignore[misc]


def _noisy(make: Callable[[int, np.random.Generator], np.ndarray], ratio_db: float) -> Line:
    def line(clip: FloatArray, source: np.random.Generator) -> FloatArray:
        level = np.sqrt(np.mean(np.square(clip))) * 10.0 ** (-ratio_db / 20.0)
        return np.asarray(clip + level * unit_power(make(len(clip), source)), np.float32)

    return line


def _room(rt60_s: float) -> Line:
    def line(clip: FloatArray, source: np.random.Generator) -> FloatArray:
        heard, _ = draw_room(source, RATE_HZ, DISTANCE_M, (rt60_s, rt60_s)).apply(clip)
        return np.asarray(heard, np.float32)

    return line


def _losing(share: float) -> Line:
    def line(clip: FloatArray, source: np.random.Generator) -> FloatArray:
        size = round(PACKET_S * RATE_HZ)
        lost = source.uniform(size=-(-len(clip) // size)) < share
        return np.where(np.repeat(lost, size)[: len(clip)], np.float32(0), clip)

    return line


def opus(clip: FloatArray, kilobits: int) -> FloatArray:
    """The clip through Opus at a constant rate, as WebRTC sends a voice."""
    with io.BytesIO() as file:
        with av.open(file, "w", format="ogg") as output:
            options = {"application": "voip", "vbr": "off"}
            stream = output.add_stream("libopus", rate=48_000, layout="mono", options=options)
            stream.bit_rate = 1000 * kilobits
            wide = soxr.resample(clip, RATE_HZ, 48_000)
            frame = av.AudioFrame.from_ndarray((np.clip(wide, -1, 1) * 32767).astype("<i2")[None], "s16", "mono")
            frame.sample_rate = 48_000
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        file.seek(0)
        heard, rate_hz = soundfile.read(file, dtype="float32")
    return np.asarray(soxr.resample(heard, rate_hz, RATE_HZ)[: len(clip)], np.float32)


def coded(clip: FloatArray, rate_hz: int, container: str, coding: str, compression: float | None = None) -> FloatArray:
    """The clip written and read."""
    with io.BytesIO() as file:
        soundfile.write(file, clip, rate_hz, format=container, subtype=coding, compression_level=compression)
        file.seek(0)
        return np.asarray(soundfile.read(file, dtype="float32")[0], np.float32)


def telephone(clip: FloatArray, coding: str) -> FloatArray:
    """The clip at 8 kHz through a telephone's codec."""
    narrow = coded(soxr.resample(clip, RATE_HZ, TELEPHONE_RATE_HZ), TELEPHONE_RATE_HZ, "WAV", coding)
    return np.asarray(soxr.resample(narrow, TELEPHONE_RATE_HZ, RATE_HZ)[: len(clip)], np.float32)
