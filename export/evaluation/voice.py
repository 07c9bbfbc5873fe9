"""A synthetic voice, for checks on machines without recordings: a glottal pulse train through vowel formants."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from export.corpora.audio import Waveform, read_waveform

DURATIONS_S = (0.6, 1.9, 3.1)
"""Durations of the synthetic voice that a graph is checked on where no recordings are named."""

VOWEL_FORMANTS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
"""First three formants of [ɑ], [i], [u] and [ɛ] of male speakers (Peterson & Barney 1952)."""


def recordings_or_voice(
    files: Sequence[Path] | None, sample_rate_hz: int, durations_s: Sequence[float] = DURATIONS_S
) -> list[Waveform]:
    """The recordings in ``files``, or a synthetic voice of each duration; float32 [samples] each."""
    if files:
        return [read_waveform(file, sample_rate_hz) for file in files]
    return [synthetic_voice(duration_s, sample_rate_hz, seed) for seed, duration_s in enumerate(durations_s)]


def synthetic_voice(duration_s: float, sample_rate_hz: int, seed: int) -> NDArray[np.float32]:
    """Vowels of changing pitch and loudness with pauses, float32 [samples] in −1 … 1."""
    random = np.random.default_rng(seed)
    samples = round(duration_s * sample_rate_hz)
    time_s = np.arange(samples) / sample_rate_hz
    pitch_hz = 120.0 * 2 ** (0.4 * np.sin(2 * np.pi * random.uniform(0.3, 1.2) * time_s) + random.uniform(-0.5, 1.0))
    phase = np.cumsum(pitch_hz) / sample_rate_hz
    pulses = np.diff(np.floor(phase), prepend=0.0) + random.normal(0.0, 0.02, samples)
    syllable = np.maximum(0.0, np.sin(2 * np.pi * random.uniform(1.5, 4.0) * time_s)) ** 0.5
    voice = np.zeros(samples)
    for start in range(0, samples, sample_rate_hz // 4):
        part = pulses[start : start + sample_rate_hz // 4]
        for formant_hz in VOWEL_FORMANTS_HZ[int(random.integers(len(VOWEL_FORMANTS_HZ)))]:
            part = lfilter([1.0], _resonance(formant_hz, sample_rate_hz), part)
        voice[start : start + sample_rate_hz // 4] = part
    voice = voice * syllable
    return (0.5 * voice / np.abs(voice).max()).astype(np.float32)


def _resonance(frequency_hz: float, sample_rate_hz: int, bandwidth_hz: float = 90.0) -> list[float]:
    radius = np.exp(-np.pi * bandwidth_hz / sample_rate_hz)
    return [1.0, -2.0 * radius * np.cos(2 * np.pi * frequency_hz / sample_rate_hz), radius**2]
