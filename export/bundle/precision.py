"""A bundle again with small weights, once its answers were found to be near enough to those of the first."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.bundle.write import MAX_GRAPH_BYTES, Content, copy_bundle, write_bundle
from export.corpora.audio import stack
from export.corpora.tables import Corpus
from export.evaluation.bundle import answer_corpus, truth
from export.evaluation.metrics import unweighted_average_recall
from export.evaluation.verification import (
    BATCH_TOLERANCE,
    Clip,
    ParityError,
    Verification,
    batch_check,
    clips_of,
    difference_check,
    refuse_difference,
    scaled_difference,
    verification,
)
from export.failures import UserError
from export.graph.precision import Precision, reduced
from service.card import CARD_FILE_NAME, Card, FileEntry, Measurement, Parity, read_card, write_card
from service.pipeline.device.session import Session

SETTING = "precision"
"""Setting of the card of such a bundle."""

SOURCE, SOURCE_SHA256 = "reduced_from", "reduced_from_sha256"

TOLERANCES: dict[Precision, float] = {"fp16": 2e-3, "int8": 5e-2}
"""Largest difference of an output, in units of the largest one where that is above 1."""

UAR_LOSS = 0.01
"""Most that the unweighted average recall of a corpus may fall."""

TASKS = ("speech-emotion", "speech-embedding", "speaker-embedding")
TIMED_RUNS = 15


class PrecisionError(UserError):
    """A bundle that cannot be written with small weights; the message is one line."""


@dataclass(frozen=True)
class Compared:
    """Answers of the two models, side by side.

    Attributes:
        difference: largest one of an output, each recording alone.
        batch: largest one between a recording alone and in a batch, of the new model.
        recordings: how many there were.
        changed: recordings whose most probable label changed.
        time_ratio: processor time of the new model over that of the first, both in turns on one thread.
    """

    difference: float
    batch: float
    recordings: int
    changed: int
    time_ratio: float


@dataclass(frozen=True)
class OnCorpus:
    """Both models on one partition: unweighted average recalls, and the share of utterances that both label alike."""

    corpus: str
    partition: str
    n: int
    full_uar: float
    uar: float
    agreement: float


@dataclass(frozen=True)
class Reduction:
    """A bundle that was written, and what is to be told of it.

    Attributes:
        folder: the new bundle.
        share: size of its graphs over that of the first ones.
    """

    folder: Path
    compared: Compared
    corpora: tuple[OnCorpus, ...]
    share: float


def reduce_bundle(
    folder: Path,
    precision: Precision,
    out: Path,
    recordings: Sequence[Clip],
    corpora: Sequence[tuple[str, Corpus]] = (),
    *,
    name: str | None = None,
    threads: int = 1,
) -> Reduction:
    """Write the bundle in ``folder`` again under ``out`` with small weights.

    Args:
        recordings: at the model's rate.
        corpora: with the name of the partition that each was cut to.
        name: of the new bundle; the old one with '-fp16' or '-int8' if None.

    Raises:
        PrecisionError: it is of another task, was reduced before, or no corpus tells what 8 bits cost its classes.
        ParityError: answers differ too much; nothing is left behind.
    """
    card = read_card(folder)
    _check(card, precision, corpora)
    contents, before, after = {}, 0, 0
    for file, entry in card.files.items():
        if file.endswith(".onnx"):
            data = _bytes_of(folder / file, precision)
            contents[file] = Content(data, entry.role)
            before, after = before + entry.size_bytes, after + len(data)
        elif entry.role == "tensors":
            before += entry.size_bytes
        else:
            contents[file] = Content(folder / file, entry.role)
    new = name or f"{card.name}-{precision}"
    with tempfile.TemporaryDirectory() as scratch:
        draft = write_bundle(Path(scratch), contents, lambda files: _card(card, precision, new, files))
        compared = _compared(folder, draft, clips_of(card.speech, recordings) if card.speech else [])
        refuse_difference(new, compared.difference, TOLERANCES[precision], f"{card.name} in float32")
        refuse_difference(new, compared.batch, BATCH_TOLERANCE, "itself in a batch")
        if precision == "fp16" and compared.changed:
            raise ParityError(f"{new}: {compared.changed} of {compared.recordings} recordings get another label")
        found = tuple(_on_corpus(folder, draft, partition, corpus, threads) for partition, corpus in corpora)
        for one in found:
            if one.full_uar - one.uar > UAR_LOSS:
                raise ParityError(
                    f"{new}: UAR on {one.corpus} falls from {one.full_uar:.1%} to {one.uar:.1%}, by more than "
                    f"{UAR_LOSS:.0%}"
                )
        _tell(draft, card, compared, found, precision)
        return Reduction(copy_bundle(draft, out), compared, found, after / before)


def _check(card: Card, precision: Precision, corpora: Sequence[tuple[str, Corpus]]) -> None:
    if card.task not in TASKS:
        raise PrecisionError(f"{card.name} is of the task {card.task}; small weights are for {', '.join(TASKS)}")
    if SETTING in card.settings:
        raise PrecisionError(f"{card.name} has small weights already; take {card.settings[SOURCE]}")
    if corpora and not card.labels:
        raise PrecisionError(f"{card.name} has no classes that a corpus could score")
    if precision == "int8" and card.labels and not corpora:
        raise PrecisionError("int8 needs --corpus: 8 bits cost accuracy, and the card tells how much")
    for partition, corpus in corpora:
        if not corpus.utterances:
            raise PrecisionError(f"{corpus.name} has no partition '{partition}'")
        if not set(card.labels) & set(corpus.labels):
            raise PrecisionError(f"{corpus.name} has none of the classes of {card.name}: {', '.join(card.labels)}")


def _bytes_of(graph: Path, precision: Precision) -> bytes:
    try:
        made = reduced(onnx.load(graph), precision)
    except ValueError as error:
        raise PrecisionError(f"{graph}: {str(error).splitlines()[0]}") from error
    if made.ByteSize() > MAX_GRAPH_BYTES:
        raise PrecisionError(f"{graph}: {made.ByteSize() / 1e9:.1f} GB in {precision}, too much for one file")
    return made.SerializeToString()


def _card(card: Card, precision: Precision, name: str, files: dict[str, FileEntry]) -> Card:
    """The first card with another name, its figures left out: they are of the first bundle."""
    told = card.licence.attribution.replace("; nothing else was changed", "")
    licence = card.licence.model_copy(update={"attribution": f"{told} Weights stored in {precision}.".lstrip()})
    return card.model_copy(
        update={
            "name": name,
            "title": f"{card.title}, weights in {precision}",
            "licence": licence,
            "priority": min(card.priority, 0),
            "measurements": [],
            "check_clip": None,
            "files": files,
            "settings": card.settings
            | {
                SETTING: precision,
                SOURCE: f"{card.name}/{card.version}",
                SOURCE_SHA256: _sha256(card),
            },
        }
    )


def _tell(draft: Path, source: Card, compared: Compared, found: Sequence[OnCorpus], precision: Precision) -> None:
    """Write parity and figures onto the card of the new bundle."""
    against = f"{source.name}/{source.version} in float32"
    rows = [
        _row("output_difference", compared.difference, "recordings", "", compared.recordings, f"largest, {against}"),
        _row("label_changes", compared.changed, "recordings", "", compared.recordings, f"recordings, {against}"),
    ]
    for one in found:
        loss = round(one.full_uar - one.uar, 4)
        rows += [
            _row("unweighted_average_recall", one.uar, one.corpus, one.partition, one.n, "shared classes"),
            _row("unweighted_average_recall_loss", loss, one.corpus, one.partition, one.n, against),
            _row("label_agreement", one.agreement, one.corpus, one.partition, one.n, f"share, {against}"),
        ]
    parity = Parity(
        tolerance=TOLERANCES[precision],
        largest_difference=compared.difference,
        against=f"{against} on {compared.recordings} recordings, each alone",
    )
    write_card(read_card(draft).model_copy(update={"measurements": rows, "parity": parity}), draft)


def _row(metric: str, value: float, data: str, split: str, n: int, protocol: str) -> Measurement:
    return Measurement(metric=metric, value=round(value, 6), data=data, split=split, n=n, protocol=protocol)


def _compared(first: Path, second: Path, clips: Sequence[Clip]) -> Compared:
    """Answers of all graphs of two bundles about the same clips."""
    card = read_card(first)
    difference, batch, changed, ratios = 0.0, 0.0, 0, []
    for role in map(card.graph_role, card.domains or [None]):
        sessions = [
            Session(one / read_card(one).file_with_role(role), device="cpu", threads=1) for one in (first, second)
        ]
        names = sessions[0].output_names
        together = _run(sessions[1], clips)
        for number, clip in enumerate(clips):
            full, small = (_run(session, [clip]) for session in sessions)
            difference = np.max([difference, *(scaled_difference(small[name], full[name]) for name in names)])
            batch = np.max([batch, *(scaled_difference(together[name][number], small[name][0]) for name in names)])
            if card.labels:
                changed += int(small["probabilities"][0].argmax() != full["probabilities"][0].argmax())
        ratios.append(_time_ratio(sessions, clips[-1]))
    return Compared(float(difference), float(batch), len(clips), changed, float(np.mean(ratios)))  # NaN if any is


def _run(session: Session, clips: Sequence[Clip]) -> dict[str, NDArray[np.float32]]:
    waveform, lengths = stack(clips)
    return session.run({"waveform": waveform, "lengths": lengths}, session.output_names)


def _time_ratio(sessions: Sequence[Session], clip: Clip) -> float:
    """Median of processor time of the second over that of the first, in turns."""
    ratios = []
    for _ in range(TIMED_RUNS):
        taken = []
        for session in sessions:
            started = time.thread_time()
            _run(session, [clip])
            taken.append(time.thread_time() - started)
        ratios.append(taken[1] / taken[0])
    return float(np.median(ratios))


def _on_corpus(first: Path, second: Path, partition: str, corpus: Corpus, threads: int) -> OnCorpus:
    answers = [answer_corpus(folder, corpus, threads) for folder in (first, second)]
    target = truth(corpus, answers[0].labels)
    kept = target >= 0
    own = np.unique(target[kept])
    labels = [own[one.probabilities[kept][:, own].argmax(axis=1)] for one in answers]
    full, small = (unweighted_average_recall(target[kept], one) for one in labels)
    agreement = float((labels[0] == labels[1]).mean())
    return OnCorpus(corpus.name, partition, int(kept.sum()), full, small, agreement)


def is_reduced(card: Card) -> bool:
    """Whether the bundle was written with small weights."""
    return SETTING in card.settings


def verify_reduced_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare a bundle with itself in a batch, and with the one it was made of where that lies beside it."""
    card = read_card(folder)
    assert card.speech is not None
    clips = clips_of(card.speech, recordings)
    source = folder.parents[1] / str(card.settings[SOURCE])
    is_there = (source / CARD_FILE_NAME).is_file() and _sha256(read_card(source)) == card.settings[SOURCE_SHA256]
    compared = _compared(source if is_there else folder, folder, clips)
    tolerance = card.parity.tolerance if card.parity else 0.0
    return verification(
        card,
        len(clips),
        difference_check("float32", compared.difference if is_there else None, tolerance),
        batch_check(compared.batch),
    )


def _sha256(card: Card) -> str:
    return card.files[card.file_with_role(card.graph_role(None))].sha256
