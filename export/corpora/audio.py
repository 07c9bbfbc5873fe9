"""Reading recordings into memory, and putting clips of different lengths into one batch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from export.corpora.tables import Corpus, CorpusError

Waveform = NDArray[np.float32]
"""Samples of one channel in −1 … 1, float32 [samples]."""

PARITY_RECORDINGS = 6
"""Number of recordings that an exported graph is checked on."""


def read_waveform(path: Path, sample_rate_hz: int) -> Waveform:
    """Read a recording as mono float32 [samples] at ``sample_rate_hz``."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return mono if rate_hz == sample_rate_hz else soxr.resample(mono, rate_hz, sample_rate_hz)


def stack(clips: Sequence[Waveform]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pad clips to the longest: waveform float32 [batch, samples], lengths int64 [batch]."""
    lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
    waveform = np.zeros((len(clips), int(lengths.max())), dtype=np.float32)
    for row, clip in enumerate(clips):
        waveform[row, : len(clip)] = clip
    return waveform, lengths


def parity_recordings(corpora: Sequence[Corpus]) -> list[Waveform]:
    """Recordings of different lengths at 16 kHz, float32 [samples] each, for checks of exported graphs.

    Raises:
        CorpusError: no corpus has audio.
    """
    spoken = [corpus for corpus in corpora if corpus.has_audio]
    if not spoken:
        raise CorpusError("the parity check needs at least one corpus with audio")
    recordings = []
    for index in range(PARITY_RECORDINGS):
        rows = spoken[index % len(spoken)].utterances
        audio = rows[(index * 37) % len(rows)].audio
        assert audio is not None
        recordings.append(read_waveform(audio, 16_000))
    return recordings
