"""``emoserve-export export emonet|ge2e``: calibrate on devel, write the bundle, score test, complete the card.

The weights come from a checkpoint, or from a bundle: what a bundle holds is enough to calibrate and write it anew.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.bundle.card import add_measurements, read_text
from export.bundle.emotion import EmotionSource, EmotionText
from export.bundle.measurements import corpus_measurements
from export.bundle.write import copy_bundle
from export.cli.common import (
    ExpectedFailure,
    add_corpus_argument,
    add_trained_bundle_arguments,
    advance_by,
    available_threads,
    bundle_card,
    note,
    progress_bar,
    say,
)
from export.cli.evaluate import evaluate
from export.corpora.audio import parity_recordings
from export.corpora.tables import Corpus, read_corpora
from export.emonet.bundle import read_source as emonet_source
from export.evaluation.bundle import CorpusAnswers, answer_corpus, truth
from export.evaluation.calibration import KINDS, UNCALIBRATED, Calibration, Kind
from export.evaluation.calibration_fit import HeldOut, calibrate, expected_classes
from export.evaluation.conformal import Judged, fit_doubt
from export.speech_representations.bundle import read_source as voice_source
from service.card import read_card, write_card

KEPT = "kept"

ReadSource = Callable[[Path], EmotionSource]


def configure_emonet(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _configure(parser, emonet_source, "checkpoint (of recipe 'paper' the best or the last), or the folder of a bundle")


def configure_ge2e(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _configure(parser, voice_source, "checkpoint, or the folder of a bundle", ("familiarity",))


def _configure(parser: argparse.ArgumentParser, read: ReadSource, weights: str, further: Sequence[Kind] = ()) -> None:
    add_trained_bundle_arguments(parser, weights)
    parser.add_argument(
        "--calibration",
        choices=[*KINDS, *further, KEPT],
        help="fitted on devel: a temperature, or also a bias for each class"
        + (", or a temperature that grows where speech is unlike that of the training" if further else "")
        + "; or kept as it is with the weights; default: fit the kind that is with the weights",
    )
    parser.add_argument(
        "--rivals",
        type=Path,
        metavar="FILE",
        help="JSON lines of 'emoserve-export rivals --json'; default: those on the card of the bundle",
    )
    parser.add_argument(
        "--doubt-corpus",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="corpora never trained on, whose partitions train and devel tell from which probability on a label is "
        "plausible; default: the bound that is with the weights",
    )
    add_corpus_argument(parser)
    parser.set_defaults(run=run, read=read)


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    source = source_of(arguments.weights, arguments.read)
    about, seen = read_text(arguments.card, EmotionText)
    if source.preset not in ("", about.preset):
        raise ExpectedFailure(f"{arguments.card}: preset '{about.preset}', but the weights know '{source.preset}'")
    corpora = read_corpora(arguments.corpus)
    recordings = parity_recordings(corpora)
    kind, calibration, prior = arguments.calibration, source.calibration, source.class_prior
    if kind != KEPT:
        wanted = about.calibration_corpora or seen
        kind = kind or (calibration.kind if calibration else "temperature")
        if calibration and "biases" in {calibration.kind, kind} and calibration.kind != kind:
            prior = None  # it is of the other kind
        calibration, expected = fit(source, about, kind, Heard(corpora, seen, wanted), recordings)
        prior = expected if kind == "biases" else prior
    elif calibration is None:
        raise ExpectedFailure(f"{arguments.weights}: no calibration is with these weights")
    note(f"{calibration.describe()}; fitted on {', '.join(calibration.fitted_on) or 'unnamed corpora'}")
    rivals = read_rivals(arguments.rivals) if arguments.rivals else source.rivals
    with tempfile.TemporaryDirectory() as scratch:
        draft = source.write(about, calibration, Path(scratch), recordings)
        folder = arguments.out / draft.relative_to(scratch)
        doubt = source.doubt
        if arguments.doubt_corpus:
            doubt = fit_doubt([judged(draft, corpus) for corpus in read_corpora(arguments.doubt_corpus)])
        if prior and not all(prior.values()):
            prior = None  # a class that was never shown: no other prior can be told from it
        write_card(read_card(draft).model_copy(update={"doubt": doubt, "class_prior": prior}), draft)
        if doubt:
            note(f"plausible from {doubt.least_probability} on: {doubt.mean_size} labels on average")
        measurements = []
        for corpus in corpora:
            figures, _ = evaluate(draft, corpus.partition("test"), "test")
            measurements += corpus_measurements(figures, corpus.name in seen, rivals.get(corpus.name, {}), folder)
            note(f"{corpus.name}: test UAR {figures.uar.value:.1%}")
        add_measurements(draft, measurements)
        # Only now: the former bundle may be where the weights and the rivals come from.
        say(f"bundle: {copy_bundle(draft, arguments.out)}")
    return 0


@dataclass(frozen=True)
class Heard:
    """Corpora, those of them that were trained on, and those that a calibration is fitted on, by name."""

    corpora: Sequence[Corpus]
    seen: Collection[str]
    wanted: Collection[str]

    @property
    def training(self) -> list[Corpus]:
        """The partitions train of the corpora that are both seen and wanted."""
        return [corpus.partition("train") for corpus in self._wanted if corpus.name in self.seen]

    @property
    def held_out(self) -> list[Corpus]:
        """The partitions to choose by: devel, and train as well of a corpus that was not trained on."""
        parts = {True: ("devel",), False: ("train", "devel")}
        return [corpus.partition(*parts[corpus.name in self.seen]) for corpus in self._wanted]

    @property
    def _wanted(self) -> list[Corpus]:
        return [corpus for corpus in self.corpora if corpus.name in self.wanted]


def source_of(weights: Path, read: ReadSource) -> EmotionSource:
    """The checkpoint or bundle that the command line names."""
    if weights.is_dir():
        bundle_card(weights)
    elif not weights.is_file():
        raise ExpectedFailure(f"{weights}: no such checkpoint or bundle")
    try:
        return read(weights)
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error


def fit(
    source: EmotionSource, about: EmotionText, kind: Kind, heard: Heard, recordings: list[np.ndarray]
) -> tuple[Calibration, dict[str, float]]:
    """Fit on devel what the bundle's own graph answers, over windows as the service runs it; with devel's classes."""
    held_out, training = heard.held_out, heard.training if kind == "familiarity" else []
    if not all(corpus.utterances for corpus in held_out):
        raise ExpectedFailure("a corpus to calibrate on has no partition 'devel'")
    if kind == "familiarity" and not (training and all(corpus.utterances for corpus in training)):
        raise ExpectedFailure("what is familiar is learnt from partition 'train' of the corpora that were trained on")
    with tempfile.TemporaryDirectory() as scratch:
        folder = source.write(about, UNCALIBRATED, Path(scratch), recordings)

        def statistics(corpus: Corpus) -> NDArray[np.float32]:
            values = answers_of(folder, corpus, "train").statistics
            assert values is not None
            return values

        unfamiliarity = None
        if training:
            assert source.learn_familiar is not None
            unfamiliarity = source.learn_familiar([statistics(corpus) for corpus in training])
        parts = []
        for corpus in held_out:
            answers = answers_of(folder, corpus, "devel")
            logits = np.log(np.maximum(answers.probabilities, 1e-12))
            own = np.array([label in corpus.labels for label in answers.labels])
            part = HeldOut(corpus.name, logits, truth(corpus, answers.labels), own, is_known=corpus.name in heard.seen)
            if unfamiliarity and answers.statistics is not None:
                part = replace(part, unfamiliarity=unfamiliarity(answers.statistics))
            parts.append(part)
    return calibrate(parts, kind), expected_classes(parts, answers.labels)


def answers_of(folder: Path, corpus: Corpus, what: str) -> CorpusAnswers:
    """Answers of a bundle for a corpus, beside a bar that names ``what`` of it is heard."""
    with progress_bar(f"{what} of {corpus.name}", len(corpus.utterances)) as bar:
        return answer_corpus(folder, corpus, available_threads(), advance_by(bar))


def judged(folder: Path, corpus: Corpus) -> Judged:
    """Answers of a bundle for the partitions train and devel of a corpus, as far as it has their classes."""
    part = corpus.partition("train", "devel")
    answers = answers_of(folder, part, "plausible labels")
    target = truth(part, answers.labels)
    return Judged(corpus.name, answers.probabilities[target >= 0], target[target >= 0])


def read_rivals(file: Path) -> dict[str, dict[str, float]]:
    """Corpus to feature set to test UAR."""
    rivals: dict[str, dict[str, float]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rivals.setdefault(row["corpus"], {})[f"{row['features']} + linear SVM"] = round(row["uar"], 4)
    return rivals
