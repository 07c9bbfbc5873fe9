"""Recordings with transcripts: a table, and their magnitudes in memory."""

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.corpora.audio import read_waveform
from export.corpora.tables import CorpusError
from export.speech_representations.recogniser.network import LEAST_FRAMES
from export.speech_representations.recogniser.spectrogram import HOP_SAMPLES, SAMPLE_RATE_HZ, magnitude

LONGEST_S = 15.0
"""Longer recordings are left out (B3)."""

SHORTEST_S = LEAST_FRAMES * HOP_SAMPLES / SAMPLE_RATE_HZ

COLUMNS = {"file", "speaker", "partition", "duration_s", "transcript"}


@dataclass(frozen=True)
class Spoken:
    """A recording and what is said, in capital letters; ``partition`` is of its speaker."""

    audio: Path
    text: str
    speaker: str
    partition: str
    duration_s: float


def read_transcripts(folder: Path) -> list[Spoken]:
    """The recordings of ``utterances.csv`` that have a transcript and last from 0.11 to 15 s.

    Raises:
        CorpusError: there is no table, it lacks a column or transcripts, or a speaker is in two partitions.
    """
    table = folder / "utterances.csv"
    if not table.is_file():
        raise CorpusError(f"{folder}: no utterances.csv")
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    missing = COLUMNS - set(rows[0] if rows else ())
    if missing:
        raise CorpusError(f"{table}: lacks the columns {', '.join(sorted(missing))}")
    spoken = [
        Spoken(folder / row["file"], text, row["speaker"], row["partition"], float(row["duration_s"]))
        for row in rows
        if (text := " ".join(row["transcript"].upper().split())) and SHORTEST_S <= float(row["duration_s"]) <= LONGEST_S
    ]
    if not spoken:
        raise CorpusError(f"{table}: no recording has a transcript and lasts from {SHORTEST_S} to {LONGEST_S} s")
    places = {(row.speaker, row.partition) for row in spoken}
    if len(places) > len({speaker for speaker, _ in places}):
        raise CorpusError(f"{table}: a speaker is in more than one partition")
    return spoken


def magnitudes_of(
    spoken: Sequence[Spoken], cache: Path | None = None, progress: Callable[[], None] | None = None
) -> list[NDArray[np.float16]]:
    """Magnitudes float16 [161, frames] of each recording, computed or read from ``cache``."""
    key = hashlib.sha256("\n".join(str(row.audio) for row in spoken).encode()).hexdigest()[:12]
    file = cache / f"magnitudes-{key}.npz" if cache else None
    if file and file.is_file():
        with np.load(file) as stored:
            return np.split(stored["values"], stored["ends"][:-1], axis=1)
    values = []
    for row in spoken:
        waveform = torch.from_numpy(read_waveform(row.audio, SAMPLE_RATE_HZ))[None]
        values.append(magnitude(waveform, torch.tensor([waveform.shape[1]]))[0][0].half().numpy())
        if progress:
            progress()
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, values=np.concatenate(values, axis=1), ends=np.cumsum([value.shape[1] for value in values]))
    return values
