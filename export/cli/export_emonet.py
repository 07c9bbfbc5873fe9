"""``emoserve-export export emonet``: calibrate on devel, write the bundle, score test, complete the card."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.bundles.emotion import EmotionBundle, write_emotion_bundle
from export.bundles.measurements import corpus_measurements
from export.bundles.specification import read_specification
from export.bundles.trained import add_measurements
from export.cli.common import (
    ExpectedFailure,
    add_corpus_argument,
    add_trained_bundle_arguments,
    available_threads,
    note,
    say,
)
from export.cli.evaluate import evaluate
from export.corpora.audio import read_waveform
from export.corpora.tables import Corpus, read_corpora
from export.evaluation.bundle import answer_corpus, truth
from export.evaluation.metrics import fit_temperature
from export.networks.emonet import EmoNet
from export.training.loop import load_trained

PARITY_RECORDINGS = 6


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_trained_bundle_arguments(parser, "checkpoint of recipe 'open'")
    parser.add_argument("--rivals", type=Path, metavar="FILE", help="JSON lines of 'emoserve-export rivals --json'")
    add_corpus_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    if not arguments.weights.is_file():
        raise ExpectedFailure(f"{arguments.weights}: no such checkpoint")
    try:
        network = load_trained(arguments.weights)
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error
    about, seen = read_specification(arguments.card, EmotionBundle)
    corpora = read_corpora(arguments.corpus)
    recordings = parity_recordings(corpora)
    calibrating = [corpus.partition("devel") for corpus in corpora if corpus.name in seen]
    about = replace(about, temperature=calibrate(network, about, calibrating, recordings))
    note(f"temperature {about.temperature:.3f} on devel of {', '.join(corpus.name for corpus in calibrating)}")
    folder = write_emotion_bundle(network, about, arguments.out, recordings)
    rivals = read_rivals(arguments.rivals)
    measurements = []
    for corpus in corpora:
        figures, _ = evaluate(folder, corpus.partition("test"), "test")
        measurements += corpus_measurements(figures, corpus.name in seen, rivals.get(corpus.name, {}), folder)
        note(f"{corpus.name}: test UAR {figures.uar.value:.1%}")
    add_measurements(folder, measurements)
    say(f"bundle: {folder}")
    return 0


def parity_recordings(corpora: list[Corpus]) -> list[np.ndarray]:
    """Recordings of different lengths for the parity check."""
    spoken = [corpus for corpus in corpora if corpus.has_audio]
    if not spoken:
        raise ExpectedFailure("the parity check needs at least one corpus with audio")
    recordings = []
    for index in range(PARITY_RECORDINGS):
        rows = spoken[index % len(spoken)].utterances
        audio = rows[(index * 37) % len(rows)].audio
        assert audio is not None
        recordings.append(read_waveform(audio, 16_000))
    return recordings


def calibrate(network: EmoNet, about: EmotionBundle, corpora: list[Corpus], recordings: list[np.ndarray]) -> float:
    """Temperature that makes the bundle's answers on devel most likely (Guo 2017); all corpora count the same."""
    logits, targets, weights = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_emotion_bundle(network, about, Path(scratch), recordings)
        for corpus in corpora:
            answers = answer_corpus(folder, corpus, available_threads())
            own = np.array([label in corpus.labels for label in answers.labels])
            scores = np.where(own, np.log(np.maximum(answers.probabilities, 1e-12)), -1e9)
            logits.append(scores)
            targets.append(truth(corpus, answers.labels))
            weights.append(np.full(len(corpus.utterances), 1.0 / len(corpus.utterances)))
    return fit_temperature(np.concatenate(logits), np.concatenate(targets), np.concatenate(weights))


def read_rivals(file: Path | None) -> dict[str, dict[str, float]]:
    """Corpus to feature set to test UAR."""
    rivals: dict[str, dict[str, float]] = {}
    if file:
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rivals.setdefault(row["corpus"], {})[f"{row['features']} + linear SVM"] = round(row["uar"], 4)
    return rivals
