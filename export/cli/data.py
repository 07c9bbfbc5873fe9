"""Options for corpora and their licences, shared by the commands on features."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from export.classifiers.licences import NOT_STATED
from export.cli.common import ExpectedFailure, note
from export.corpora.recordings import read_recordings
from export.corpora.tables import Corpus
from service.card import TrainingData

OPENSMILE_NOTE = (
    "openSMILE is licensed for research and personal use; commercial use needs a licence from audEERING. "
    "Whatever is trained on its features is marked as not commercial."
)


def add_recordings_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add ``--corpus``, ``--labels``, ``--window-s`` and ``--hop-s``."""
    parser.add_argument(
        "--corpus",
        nargs="+",
        type=Path,
        default=[],
        required=required,
        metavar="DIR",
        help="corpus folders with utterances.csv, or folder trees whose folders are the labels",
    )
    parser.add_argument("--labels", type=Path, metavar="TABLE", help="CSV with the columns file, label[, speaker, …]")
    parser.add_argument("--window-s", type=float, metavar="S", help="a row a window of this length; else an utterance")
    parser.add_argument("--hop-s", type=float, metavar="S", help="hop between windows")


def add_licence_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-licence [CORPUS=]SPDX…``."""
    parser.add_argument(
        "--data-licence",
        nargs="+",
        default=[],
        metavar="[CORPUS=]SPDX",
        help="licence of the data, such as emodb7=CC0-1.0; data without one counts as not commercial",
    )


def read_all(arguments: argparse.Namespace) -> list[Corpus]:
    """The corpora that the command line names."""
    if arguments.labels and len(arguments.corpus) > 1:
        raise ExpectedFailure("--labels goes with one --corpus")
    corpora = [read_recordings(folder, arguments.labels) for folder in arguments.corpus]
    names = [corpus.name for corpus in corpora]
    if len(set(names)) < len(names):
        raise ExpectedFailure(f"two corpora have the same folder name: {', '.join(names)}")
    return corpora


def described_data(corpora: Sequence[Corpus], licences: Sequence[str]) -> list[TrainingData]:
    """Descriptions of the corpora for a card."""
    entries = []
    for corpus in corpora:
        speakers = {utterance.speaker for utterance in corpus.utterances if utterance.speaker}
        entries.append(
            TrainingData(
                name=corpus.name, licence=NOT_STATED, utterances=len(corpus.utterances), speakers=len(speakers) or None
            )
        )
    return with_licences(entries, licences)


def with_licences(entries: Sequence[TrainingData], licences: Sequence[str]) -> list[TrainingData]:
    """``entries`` with the licences of ``--data-licence`` put in; those that stay unknown are noted."""
    pairs = [text.partition("=") if "=" in text else ("", "", text) for text in licences]
    stated = {name: licence for name, _, licence in pairs}
    unknown = set(stated) - {entry.name for entry in entries} - {""}
    if unknown:
        raise ExpectedFailure(f"--data-licence names a corpus that is not there: {', '.join(sorted(unknown))}")
    result = []
    for entry in entries:
        licence = stated.get(entry.name) or stated.get("") or entry.licence
        if licence == NOT_STATED:
            note(f"{entry.name}: its licence is not stated (--data-licence), so what is trained is not commercial")
        result.append(entry.model_copy(update={"licence": licence}))
    return result
