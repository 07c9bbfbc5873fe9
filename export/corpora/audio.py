"""Reading recordings into memory, and putting clips of different lengths into one batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray


def read_waveform(path: Path, sample_rate_hz: int) -> NDArray[np.float32]:
    """Read a recording as mono float32 [samples] at ``sample_rate_hz``."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return mono if rate_hz == sample_rate_hz else soxr.resample(mono, rate_hz, sample_rate_hz)


def stack(clips: list[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pad clips to the longest: waveform float32 [batch, samples], lengths int64 [batch]."""
    lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
    waveform = np.zeros((len(clips), int(lengths.max())), dtype=np.float32)
    for row, clip in enumerate(clips):
        waveform[row, : len(clip)] = clip
    return waveform, lengths
