"""Distortions of whole recordings that a telephone line makes: a room, noise and a codec."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import soundfile
import soxr

from export.corpora.audio import Waveform
from export.denoiser.noises import TRAINING_FAMILIES, babble, unit_power
from export.denoiser.rooms import draw_room

Random = np.random.Generator

SAMPLE_RATE_HZ = 16_000
TELEPHONE_RATE_HZ = 8_000

ROOM_SHARE = 0.35
ROOM_DISTANCE_M = (0.3, 2.5)
ROOM_RT60_S = (0.2, 0.9)

NOISE_SHARE = 0.5
BABBLE_SHARE = 0.3
NOISE_RATIO_DB = (3.0, 30.0)
"""Range of the ratio of speech to noise."""

OPUS_COMPRESSION = (0.93, 0.985)
"""libsndfile's compression level: about 10 to 24 kbit/s in Opus."""


def distort(random: Random, speech: Waveform, voices: Sequence[Waveform]) -> Waveform:
    """The recording, float32 [samples] at 16 kHz, as a far-end microphone and a line may give it.

    Args:
        voices: recordings of other speakers, for babble.
    """
    if random.uniform() < ROOM_SHARE:
        speech, _ = draw_room(random, SAMPLE_RATE_HZ, ROOM_DISTANCE_M, ROOM_RT60_S).apply(speech)
    if random.uniform() < NOISE_SHARE:
        speech = _with_noise(random, speech, voices)
    line = LINES[int(random.choice(len(LINES), p=LINE_SHARES))]
    return line(random, speech)


def _with_noise(random: Random, speech: Waveform, voices: Sequence[Waveform]) -> Waveform:
    if random.uniform() < BABBLE_SHARE:
        noise = babble(random, len(speech), voices)
    else:
        noise = list(TRAINING_FAMILIES.values())[int(random.integers(len(TRAINING_FAMILIES)))](random, len(speech))
    level = np.sqrt(np.mean(np.square(speech))) * 10.0 ** (-random.uniform(*NOISE_RATIO_DB) / 20.0)
    return (speech + level * unit_power(noise)).astype(np.float32)


def _clean(_random: Random, speech: Waveform) -> Waveform:
    return speech


def _opus(random: Random, speech: Waveform) -> Waveform:
    return _through(speech, SAMPLE_RATE_HZ, "OGG", "OPUS", random.uniform(*OPUS_COMPRESSION))


def _mp3(random: Random, speech: Waveform) -> Waveform:
    return _through(speech, SAMPLE_RATE_HZ, "MP3", "MPEG_LAYER_III", random.uniform(0.5, 0.99))


def _telephone(random: Random, speech: Waveform) -> Waveform:
    subtype = str(random.choice(["ULAW", "ALAW", "GSM610"]))
    narrow = soxr.resample(speech, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
    wide = soxr.resample(_through(narrow, TELEPHONE_RATE_HZ, "WAV", subtype), TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ)
    return np.asarray(wide[: len(speech)], np.float32)


def _through(speech: Waveform, rate_hz: int, container: str, codec: str, compression: float | None = None) -> Waveform:
    """Write and read; a codec may give a few samples more or less."""
    scaled = speech * (0.5 / max(float(np.abs(speech).max()), 1e-6))
    with io.BytesIO() as file:
        soundfile.write(file, scaled, rate_hz, format=container, subtype=codec, compression_level=compression)
        file.seek(0)
        return np.asarray(soundfile.read(file, dtype="float32")[0])


LINES: tuple[Callable[[Random, Waveform], Waveform], ...] = (_clean, _opus, _telephone, _mp3)
LINE_SHARES = (0.35, 0.3, 0.25, 0.1)
