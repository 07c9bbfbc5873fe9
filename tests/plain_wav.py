"""A wav writer, and a decoder of 16 bit PCM wav for tests of what comes behind decoding."""

import io
import wave
from dataclasses import dataclass

import numpy as np
import soxr

from service.pipeline.decoding.sample_buffer import DecodedBudget
from service.pipeline.media.channels import ChannelPicker
from service.pipeline.results import FlagSpan, MediaInfo


def tone(seconds: float, rate_hz: int = 16000, amplitude: float = 0.3, hz: float = 220.0) -> np.ndarray:
    """float32 [n], a sine."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def wav(*channels: np.ndarray, rate_hz: int = 16000) -> bytes:
    """16 bit PCM wav of float channels ±1."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.stack(channels, axis=1) * 32767).round().astype("<i2").tobytes())
    return stream.getvalue()


@dataclass(frozen=True)
class PlainDecoded:
    samples: np.ndarray
    media: MediaInfo
    flags: tuple[str, ...] = ()
    names: tuple[str, ...] = ("mix",)
    spans: tuple[FlagSpan, ...] = ()


class PlainDecoder:
    """Has the decoder's interface, parses nothing but 16 bit PCM wav, in this process."""

    def __init__(self, flags: tuple[str, ...] = (), spans: tuple[FlagSpan, ...] = ()) -> None:
        self.flags, self.spans = flags, spans
        self.budget = DecodedBudget(64 * 1024 * 1024)

    def audio(self, data, *, target_rate_hz, start_s=None, end_s=None, channel="each", **_) -> PlainDecoded:
        with wave.open(io.BytesIO(bytes(data))) as file:
            rate_hz, channels, count = file.getframerate(), file.getnchannels(), file.getnframes()
            samples = np.frombuffer(file.readframes(count), "<i2").reshape(-1, channels).T / np.float32(32768)
        cut = slice(round((start_s or 0) * rate_hz), None if end_s is None else round(end_s * rate_hz))
        samples = samples[:, cut]
        if rate_hz != target_rate_hz:
            samples = soxr.resample(samples.T, rate_hz, target_rate_hz).T
        media = MediaInfo(
            duration_s=count / rate_hz, container="wav", codec="pcm_s16le", sample_rate_hz=rate_hz, channels=channels
        )
        picker = ChannelPicker(channel, channels, target_rate_hz)
        picked = picker.pick(np.ascontiguousarray(samples, np.float32), 0)
        return PlainDecoded(picked, media, self.flags, picker.names, self.spans)
