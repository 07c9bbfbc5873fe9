"""Recordings to compute features of: a corpus with its table, a plain folder tree, or a tree with a table of labels."""

import csv
from pathlib import Path

import soundfile

from export.corpora.tables import Corpus, CorpusError, Utterance, read_corpus

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64", ".caf"})

PARTITION_FOLDERS = {
    "train": "train",
    "training": "train",
    "devel": "devel",
    "dev": "devel",
    "val": "devel",
    "validation": "devel",
    "test": "test",
}
"""Folder names that stand for a partition, in lower case."""

NAME_COLUMNS = ("file", "name", "filename")
LABEL_COLUMNS = ("label", "emotion", "class")


def read_recordings(folder: Path, labels: Path | None = None) -> Corpus:
    """Find the recordings of ``folder`` and what is known of them.

    ``labels`` goes before ``utterances.csv``, which goes before folder names: in a plain tree a recording's label
    is the folder that it lies in, and its partition the nearest folder above that is named 'train', 'devel', 'test'
    or the like. Recordings that lie in ``folder`` itself have no label.

    Args:
        folder: the corpus.
        labels: a CSV table with a column 'file' (path below ``folder``, or a bare file name) and a column 'label';
            'speaker' and 'partition' where they are known.

    Raises:
        CorpusError: no recording is found, a table is incomplete, or it lacks a recording or names one too many.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder")
    if labels is None and (folder / "utterances.csv").is_file():
        corpus = read_corpus(folder)
        if not corpus.has_audio:
            raise CorpusError(f"{folder}: comes as features without audio, so nothing can be computed from it")
        return corpus
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file())
    if not files:
        raise CorpusError(f"{folder}: no recordings (looked for {', '.join(sorted(AUDIO_SUFFIXES))})")
    table = _read_labels(labels) if labels else None
    utterances = tuple(
        _from_table(file, folder, table, labels) if table is not None and labels else _from_folders(file, folder)
        for file in files
    )
    return Corpus(folder.resolve().name, folder, utterances)


def _from_folders(file: Path, folder: Path) -> Utterance:
    above = file.relative_to(folder).parts[:-1]
    partitions = [PARTITION_FOLDERS[part.lower()] for part in above if part.lower() in PARTITION_FOLDERS]
    named = bool(above) and above[-1].lower() not in PARTITION_FOLDERS
    return _utterance(file, folder, above[-1] if named else "", "", partitions[-1] if partitions else "")


def _from_table(file: Path, folder: Path, table: dict[str, dict[str, str]], source: Path) -> Utterance:
    row = table.get(file.relative_to(folder).as_posix()) or table.get(file.name)
    if row is None:
        raise CorpusError(f"{source}: no row for the recording {file.relative_to(folder).as_posix()}")
    partition = row.get("partition") or _from_folders(file, folder).partition
    label = next(row[column] for column in LABEL_COLUMNS if column in row)
    return _utterance(file, folder, label, row.get("speaker") or "", partition)


def _utterance(file: Path, folder: Path, label: str, speaker: str, partition: str) -> Utterance:
    try:
        duration_s = soundfile.info(file).duration
    except soundfile.LibsndfileError as error:
        raise CorpusError(f"{file}: cannot be read as audio ({error})") from error
    name = file.relative_to(folder).as_posix()
    known = PARTITION_FOLDERS.get(partition.lower(), partition)
    return Utterance(name, label, speaker, known, duration_s, audio=file, frames=None)


def _read_labels(source: Path) -> dict[str, dict[str, str]]:
    if not source.is_file():
        raise CorpusError(f"{source}: no such table of labels")
    with source.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = set(rows[0]) if rows else set()
    key = next((column for column in NAME_COLUMNS if column in columns), None)
    if key is None or not columns & set(LABEL_COLUMNS):
        raise CorpusError(f"{source}: needs a column 'file' and a column 'label'")
    return {row[key].replace("\\", "/"): row for row in rows}
