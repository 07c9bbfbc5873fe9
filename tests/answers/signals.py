"""Generated inputs: the same bytes on every machine, in lossless formats."""

import io
import math

import numpy as np

from tests.media_files import flac, greys, video, wav

RATE_HZ = 16_000
_UNITS = ("01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45")
"""Numbers of the 17 action units whose intensities OpenFace writes."""

_VOWELS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240), (530, 1840, 2480))
"""First three formants of five vowels (Peterson and Barney 1952, men)."""


def voice(duration_s: float, rate_hz: int = RATE_HZ, seed: int = 0) -> np.ndarray:
    """A voice-like sound: a gliding pulse train through the formants of changing vowels. Float [samples], below 1."""
    random = np.random.default_rng(seed)
    count = round(duration_s * rate_hz)
    time_s = np.arange(count) / rate_hz
    pitch_hz = 130 + 40 * np.sin(2 * math.pi * 0.7 * time_s + seed) + 10 * np.sin(2 * math.pi * 5.1 * time_s)
    phase = np.cumsum(pitch_hz) / rate_hz
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.003 * random.standard_normal(count)
    sound = np.zeros(count)
    syllable = round(0.22 * rate_hz)
    for number, first in enumerate(range(0, count, syllable)):
        part = pulses[first : first + syllable]
        vowel = _VOWELS_HZ[(number * 3 + seed) % len(_VOWELS_HZ)]
        loud = np.sin(math.pi * np.arange(len(part)) / syllable) ** 0.5
        pause = 0.0 if number % 9 == 8 else 1.0
        sound[first : first + len(part)] = pause * loud * _through_formants(part, vowel, rate_hz)
    return 0.6 * sound / max(np.abs(sound).max(), 1e-9)


def _through_formants(pulses: np.ndarray, formants_hz: tuple[int, ...], rate_hz: int) -> np.ndarray:
    """The sum of three damped resonances, each excited by the pulses."""
    time_s = np.arange(round(0.03 * rate_hz)) / rate_hz
    response = np.zeros(len(time_s))
    for weight, centre_hz in zip((1.0, 0.5, 0.25), formants_hz, strict=True):
        response += weight * np.exp(-math.pi * 90 * time_s) * np.sin(2 * math.pi * centre_hz * time_s)
    return np.convolve(pulses, response)[: len(pulses)]


def noise(duration_s: float, rate_hz: int = RATE_HZ, seed: int = 0) -> np.ndarray:
    """White noise. Float [samples], standard deviation 0.1."""
    return 0.1 * np.random.default_rng(seed).standard_normal(round(duration_s * rate_hz))


def voice_wav(duration_s: float, rate_hz: int = RATE_HZ, channels: int = 1) -> bytes:
    """16 bit WAV with another voice in each channel."""
    return wav(np.stack([voice(duration_s, rate_hz, seed) for seed in range(channels)]), rate_hz)


def voice_flac(duration_s: float, rate_hz: int) -> bytes:
    """The same as FLAC."""
    return flac(voice(duration_s, rate_hz)[None].astype(np.float32), rate_hz)


def noisy_wav(duration_s: float, rate_hz: int = RATE_HZ) -> bytes:
    """A voice with white noise 10 dB below it or so."""
    return wav((voice(duration_s, rate_hz) + 0.3 * noise(duration_s, rate_hz))[None], rate_hz)


def part_silent_wav() -> bytes:
    """Voice, digital silence and voice, 3 s each."""
    return wav(np.concatenate([voice(3.0), np.zeros(3 * RATE_HZ), voice(3.0, seed=1)])[None], RATE_HZ)


def silent_wav() -> bytes:
    """Digital silence for 4 s."""
    return wav(np.zeros((1, 4 * RATE_HZ)), RATE_HZ)


def offset_wav() -> bytes:
    """A constant of a quarter of full scale for 4 s."""
    return wav(np.full((1, 4 * RATE_HZ), 0.25), RATE_HZ)


def noise_wav() -> bytes:
    """White noise for 4 s."""
    return wav(noise(4.0)[None], RATE_HZ)


def loud_wav() -> bytes:
    """A voice that clips for a part of the time."""
    return wav(np.clip(3 * voice(4.0), -1, 1)[None], RATE_HZ)


def float_wav() -> bytes:
    """32 bit float samples, eight-channel limits far away."""
    return wav(voice(3.5, 44_100)[None], 44_100, codec="pcm_f32le")


def faceless_video() -> bytes:
    """Grey pictures without a face, 2 s, with a voice as sound track."""
    pictures = greys(50, 160, 120)
    return video(pictures, sound=voice(2.0, 48_000)[None].astype(np.float32))


def table_rows(count: int = 180, rate_hz: float = 25.0) -> list[dict[str, float]]:
    """Frames of one face: smooth intensities 0…5, with half a second in which no face is found."""
    rows = []
    for index in range(count):
        time_s = index / rate_hz
        found = not 80 <= index < 92
        row = {"time_s": round(time_s, 3), "confidence": 0.95 if found else 0.1, "success": float(found)}
        for place, unit in enumerate(_UNITS):
            level = 1.2 + 1.2 * math.sin(2 * math.pi * (0.11 + 0.03 * place) * time_s + place)
            row[f"AU{unit}_r"] = round(level if found else 0.0, 2)
        rows.append(row)
    return rows


def table(faces: int = 1, fault: str = "") -> bytes:
    """An OpenFace table. ``fault``: 'still' repeats one time stamp, 'short' leaves out a unit."""
    units = [unit for unit in _UNITS if not (fault == "short" and unit == "12")]
    lines = io.StringIO()
    lines.write(", ".join(["frame", "face_id", "timestamp", "confidence", "success", *(f"AU{u}_r" for u in units)]))
    for index, row in enumerate(table_rows()):
        for face in range(faces):
            shown_s = 0.0 if fault == "still" else row["time_s"]
            confidence = row["confidence"] * (1 - 0.2 * face)
            values = [f"{max(0.0, row[f'AU{unit}_r'] - 0.3 * face):.2f}" for unit in units]
            cells = [str(index + 1), str(face), f"{shown_s:.3f}", f"{confidence:.2f}", f"{row['success']:.0f}", *values]
            lines.write("\n" + ", ".join(cells))
    return (lines.getvalue() + "\n").encode()
