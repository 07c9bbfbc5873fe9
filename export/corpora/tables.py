"""Reading a corpus: a folder with ``utterances.csv`` and either audio files or CREMA-D's log-mel features."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Partition = Literal["train", "devel", "test"]
FEATURE_FILE_NAME = "logmel.npy.xz"

DIMENSIONS = ("arousal", "valence", "dominance")
"""Columns of listeners' mean ratings in −1 … 1; each may be absent, and empty where nobody rated."""

VOTES = {"A": "anger", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness"}
"""Emotion of each letter by which CREMA-D records a listener's vote."""


class CorpusError(Exception):
    """A corpus folder that cannot be used; the message names the folder and the cause."""


@dataclass(frozen=True)
class Utterance:
    """One row of ``utterances.csv``.

    Attributes:
        audio: the recording, or None where the corpus comes as features.
        frames: (first, count) in the feature file, or None.
        heard: what listeners of the sound alone heard, most often one name; empty where unknown.
        ratings: of :data:`DIMENSIONS` what listeners rated on average, −1 … 1.
    """

    name: str
    emotion: str
    speaker: str
    partition: str
    duration_s: float
    audio: Path | None
    frames: tuple[int, int] | None
    heard: tuple[str, ...] = ()
    ratings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """A corpus and its utterances in the order of the table."""

    name: str
    folder: Path
    utterances: tuple[Utterance, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Emotion names that occur, in alphabetical order."""
        return tuple(sorted({utterance.emotion for utterance in self.utterances}))

    @property
    def has_audio(self) -> bool:
        """Whether the recordings themselves are there."""
        return all(utterance.audio is not None for utterance in self.utterances)

    def partition(self, *names: str) -> "Corpus":
        """The same corpus, cut to some partitions."""
        kept = tuple(utterance for utterance in self.utterances if utterance.partition in names)
        return Corpus(self.name, self.folder, kept)


def read_corpus(folder: Path, *, with_emotions: bool = True) -> Corpus:
    """Read the table of ``folder``.

    Args:
        with_emotions: whether the table must name emotions; without, they may be empty.

    Raises:
        CorpusError: there is no table, it lacks columns, a file that it names is missing, or a rating lies outside
            −1 … 1.
    """
    table = folder / "utterances.csv"
    if not table.is_file():
        raise CorpusError(f"{folder}: no utterances.csv")
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if not rows:
        raise CorpusError(f"{table}: no utterances")
    needed = {"speaker", "partition", "duration_s"} | ({"emotion"} if with_emotions else set())
    missing = needed - rows[0].keys()
    if missing or not {"file", "clip"} & rows[0].keys():
        raise CorpusError(f"{table}: lacks the columns {sorted(missing) or ['file']}")
    corpus = Corpus(folder.resolve().name, folder, tuple(_utterance(folder, row) for row in rows))
    absent = [utterance.name for utterance in corpus.utterances if utterance.audio and not utterance.audio.is_file()]
    if absent:
        raise CorpusError(f"{folder}: {len(absent)} recordings are missing, the first is {absent[0]}")
    return corpus


def read_corpora(folders: Sequence[Path]) -> list[Corpus]:
    """Read several corpora; see :func:`read_corpus`."""
    return [read_corpus(folder) for folder in folders]


def _utterance(folder: Path, row: dict[str, str]) -> Utterance:
    frames = (int(row["first_frame"]), int(row["frames"])) if "first_frame" in row else None
    letters = row.get("voice_vote", "").replace(":", "")
    return Utterance(
        name=row.get("file") or row["clip"],
        emotion=row.get("emotion", ""),
        speaker=row["speaker"],
        partition=row["partition"],
        duration_s=float(row["duration_s"]),
        audio=None if frames else folder / row["file"],
        frames=frames,
        heard=tuple(VOTES[letter] for letter in letters if letter in VOTES),
        ratings=_ratings(folder, row),
    )


def _ratings(folder: Path, row: Mapping[str, str]) -> dict[str, float]:
    found = {}
    for name in DIMENSIONS:
        if text := (row.get(name) or "").strip():
            try:
                found[name] = float(text)
            except ValueError:
                found[name] = math.nan
            if not -1.0 <= found[name] <= 1.0:
                raise CorpusError(f"{folder / 'utterances.csv'}: {name} '{text}' is no number of −1 … 1")
    return found
