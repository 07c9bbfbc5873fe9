"""Corpora that keep emotions, speakers or transcripts in tables beside the recordings."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from export.corpora.tables import CorpusError


@dataclass(frozen=True)
class Found:
    """A recording of a corpus; what its publisher does not tell is empty.

    Attributes:
        audio: the recording without suffix, or with that of its publisher; see :func:`export.corpora.found.audio_of`.
        emotion: the publisher's code.
        partition: the publisher's, as 'train', 'devel' or 'test'.
        span_s: the part of the recording, in seconds; None where it is all of it.
        ratings: listeners' mean ratings in −1 … 1, by :data:`export.corpora.tables.DIMENSIONS`.
    """

    audio: Path
    speaker: str
    emotion: str = ""
    sex: str = ""
    transcript: str = ""
    partition: str = ""
    span_s: tuple[float, float] | None = None
    ratings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TableLayout:
    """A corpus whose tables ``read`` reads; see :class:`export.corpora.layouts.Layout` for the other attributes."""

    title: str
    page: str
    example: str
    read: Callable[[Path], Iterator[Found]]
    emotions: Mapping[str, str]


SEXES: Final = {"f": "female", "m": "male"}

IEMOCAP_LABELS: Final = {
    "anger": "anger",
    "excited": "happiness",
    "happiness": "happiness",
    "neutral": "neutral",
    "neutral state": "neutral",
    "sadness": "sadness",
}
"""Words of an evaluator of IEMOCAP, and the class that each votes for (B7: excitement is merged into happiness)."""


def _iemocap(folder: Path) -> Iterator[Found]:
    """Utterances of which two evaluators say one thing and no two say another (B7)."""
    for table in _tables(folder, "Session*/dialog/EmoEvaluation/Ses*.txt"):
        session = table.parents[2]
        for block in re.split(r"(?m)^(?=\[)", table.read_text("latin-1"))[1:]:
            name = block.split("\t")[1]
            votes: Counter[str] = Counter()
            for said in re.findall(r"(?m)^C-E\d+:\s*([^(\n]*)", block):
                votes.update({IEMOCAP_LABELS.get(word, word) for word in re.findall(r"[a-z ]+", said.strip().lower())})
            agreed = [label for label, count in votes.items() if count >= 2]
            sex = name.rsplit("_", 1)[1][0]
            audio = session / "sentences/wav" / table.stem / name
            label = agreed[0] if len(agreed) == 1 else "no agreement"
            # Valence, activation and dominance of five steps each stand in this order at the end of the first line.
            valence, arousal, dominance = re.findall(r"[\d.]+", block.splitlines()[0].rpartition("[")[2])
            ratings = _rated(5, arousal=arousal, valence=valence, dominance=dominance)
            yield Found(audio, f"{name[:5]}{sex}", label, SEXES[sex.lower()], ratings=ratings)


def _msp_podcast(folder: Path) -> Iterator[Found]:
    """Segments with their consensus; seven steps of activation, valence and dominance."""
    for table in _tables(folder, "**/labels_consensus.csv"):
        for row in _rows(table, ",", "FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Split_Set"):
            split = row["Split_Set"].lower()
            speaker = "" if row["SpkrID"].lower() == "unknown" else row["SpkrID"]
            yield Found(
                table.parents[1] / "Audios" / row["FileName"].removesuffix(".wav"),
                speaker,
                row["EmoClass"],
                SEXES.get(row.get("Gender", "")[:1].lower(), ""),
                partition={"train": "train", "development": "devel"}.get(split, "test"),
                ratings=_rated(7, arousal=row["EmoAct"], valence=row["EmoVal"], dominance=row["EmoDom"]),
            )


def _meld(folder: Path) -> Iterator[Found]:
    """Utterances of the three tables; the main characters speak in every partition, as published."""
    for table, clips, partition in (
        ("train_sent_emo.csv", "train_splits", "train"),
        ("dev_sent_emo.csv", "dev_splits_complete", "devel"),
        ("test_sent_emo.csv", "output_repeated_splits_test", "test"),
    ):
        for path in _tables(folder, f"**/{table}"):
            for row in _rows(path, ",", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"):
                clip = next(folder.glob(f"**/{clips}"), folder / clips)
                name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
                yield Found(clip / name, row["Speaker"], row["Emotion"], partition=partition)


def _fau_aibo(folder: Path) -> Iterator[Found]:
    """Chunks of the Interspeech 2009 challenge: the school Mont is its test partition."""
    table = next(iter(_tables(folder, "**/IS2009EmotionChallenge/chunk_labels_5cl_corpus.txt")))
    for line in table.read_text("latin-1").splitlines():
        name, label, *_ = line.split()
        school, child, *_ = name.split("_")
        yield Found(folder / "wav" / name, f"{school}_{child}", label, partition="test" if school == "Mont" else "")


def _nemo(folder: Path) -> Iterator[Found]:
    for row in _rows(folder / "data.tsv", "\t", "file_id", "emotion", "speaker_id", "gender"):
        name = row["file_id"].removesuffix(".wav")
        yield Found(
            folder / "samples" / name,
            row["speaker_id"],
            row["emotion"],
            SEXES.get(row["gender"][:1].lower(), ""),
            row.get("normalized_text", ""),
        )


def _emofilm(folder: Path) -> Iterator[Found]:
    for row in _rows(folder / "f_m_corpus_it_es_en_legend.csv", ",", "file", "speaker"):
        name = row["file"].removesuffix(".wav")
        yield Found(folder / name, row["speaker"].strip().lower(), name[2:5], SEXES.get(name[:1], ""))


def _librispeech(folder: Path) -> Iterator[Found]:
    for table in _tables(folder, "**/*.trans.txt"):
        part = table.parents[2].name.split("-")[0]
        for line in table.read_text("utf-8").splitlines():
            name, text = line.split(" ", 1)
            yield Found(table.parent / name, name.split("-")[0], transcript=text, partition=PARTITIONS.get(part, ""))


def _common_voice(folder: Path) -> Iterator[Found]:
    for name, partition in (("train", "train"), ("dev", "devel"), ("test", "test")):
        for row in _rows(folder / f"{name}.tsv", "\t", "client_id", "path", "sentence"):
            sex = SEXES.get((row.get("gender") or "")[:1], "")
            yield Found(folder / "clips" / row["path"], row["client_id"], "", sex, row["sentence"], partition)


def _voxforge(folder: Path) -> Iterator[Found]:
    for table in _tables(folder, "*/etc/PROMPTS"):
        visit = table.parents[1]
        person = visit.name.split("-")[0]
        sounds = next((kind for kind in ("wav", "flac") if (visit / kind).is_dir()), "wav")
        for line in table.read_text("utf-8", "replace").splitlines():
            if line.strip():
                name, text = line.split(maxsplit=1)
                speaker = visit.name if person == "anonymous" else person
                yield Found(visit / sounds / name.rsplit("/", 1)[-1], speaker, transcript=text)


def _ted_lium(folder: Path) -> Iterator[Found]:
    for table in _tables(folder, "**/stm/*.stm"):
        part = table.parents[1].name
        for line in table.read_text("utf-8").splitlines():
            if line.startswith(";;"):
                continue
            name, _, speaker, start, end, about, text = line.split(maxsplit=6)
            if text.strip() != "ignore_time_segment_in_scoring":
                yield Found(
                    table.parents[1] / "sph" / name,
                    speaker,
                    sex=next((sex for sex in SEXES.values() if f",{sex}>" in about), ""),
                    transcript=text.replace("<unk>", " "),
                    partition=PARTITIONS.get(part, ""),
                    span_s=(float(start), float(end)),
                )


PARTITIONS: Final = {"train": "train", "dev": "devel", "test": "test"}
"""The publishers' names of partitions."""

_FIVE: Final = {"A": "anger", "E": "emphatic", "N": "neutral", "P": "positive", "R": "rest"}
_PAGE_MELD: Final = "https://github.com/declare-lab/MELD"

TABLE_LAYOUTS: Final[Mapping[str, TableLayout]] = {
    "iemocap": TableLayout(
        "IEMOCAP, four classes (B7)",
        "https://sail.usc.edu/iemocap/",
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
        _iemocap,
        {label: label for label in IEMOCAP_LABELS.values()},
    ),
    "msp-podcast": TableLayout(
        "MSP-Podcast, eight classes and ratings",
        "https://lab-msp.com/MSP/MSP-Podcast.html",
        "Audios/MSP-PODCAST_0001_0008.wav",
        _msp_podcast,
        {
            "A": "anger",
            "C": "contempt",
            "D": "disgust",
            "F": "fear",
            "H": "happiness",
            "N": "neutral",
            "S": "sadness",
            "U": "surprise",
        },
    ),
    "meld": TableLayout(
        "MELD (videos, converted beside their originals)",
        _PAGE_MELD,
        "train_splits/dia0_utt0.wav",
        _meld,
        {name: name for name in ("anger", "disgust", "fear", "neutral", "sadness", "surprise")} | {"joy": "happiness"},
    ),
    "fau-aibo": TableLayout(
        "FAU Aibo, five classes",
        "https://www5.cs.fau.de/en/our-team/steidl-stefan/fau-aibo-emotion-corpus/",
        "wav/Ohm_01_000_00.wav",
        _fau_aibo,
        _FIVE,
    ),
    "nemo": TableLayout(
        "nEMO",
        "https://github.com/amu-cai/nEMO",
        "samples/SB0_anger_1.wav",
        _nemo,
        {name: name for name in ("anger", "fear", "happiness", "neutral", "sadness", "surprise")}
        | {"surprised": "surprise"},
    ),
    "emofilm": TableLayout(
        "EmoFilm (its legend saved as CSV)",
        "https://zenodo.org/records/1326428",
        "f_ans001en.wav",
        _emofilm,
        {"ans": "fear", "dis": "disgust", "gio": "happiness", "rab": "anger", "tri": "sadness"},
    ),
    "librispeech": TableLayout(
        "LibriSpeech",
        "https://www.openslr.org/12",
        "train-clean-100/103/1240/103-1240-0000.flac",
        _librispeech,
        {},
    ),
    "common-voice": TableLayout(
        "Common Voice, one language",
        "https://commonvoice.mozilla.org/en/datasets",
        "clips/common_voice_en_1.mp3",
        _common_voice,
        {},
    ),
    "voxforge": TableLayout(
        "VoxForge",
        "http://www.voxforge.org/home/downloads",
        "Aaron-20080318-kdl/wav/a0001.wav",
        _voxforge,
        {},
    ),
    "ted-lium": TableLayout("TED-LIUM", "https://www.openslr.org/51", "train/sph/AaronHuey_2010X.sph", _ted_lium, {}),
}
"""Name on the command line to the layout."""


class _Tabs(csv.excel_tab):
    quoting = csv.QUOTE_NONE


def _rated(steps: int, **told: str) -> dict[str, float]:
    """Ratings of 1 … ``steps`` as −1 … 1, by dimension; what is no number stays out."""
    numbers = {name: float(text) for name, text in told.items() if re.fullmatch(r"\d+(\.\d+)?", text)}
    return {name: 2.0 * (number - 1.0) / (steps - 1.0) - 1.0 for name, number in numbers.items()}


def _tables(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise CorpusError(f"{folder}: no table {pattern}")
    return found


def _rows(table: Path, separator: str, *columns: str) -> Iterator[dict[str, str]]:
    if not table.is_file():
        raise CorpusError(f"{table.parent}: no {table.name}")
    with table.open(encoding="utf-8-sig", newline="") as lines:
        dialect = _Tabs if separator == "\t" else csv.excel
        rows = csv.DictReader(lines, dialect=dialect)
        missing = set(columns) - set(rows.fieldnames or ())
        if missing:
            raise CorpusError(f"{table}: lacks the columns {', '.join(sorted(missing))}")
        yield from rows
