"""``emoserve-export train head``: a head on the layers of frozen encoders, from corpora to a scored bundle."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from export.bundle.card import BundleText, add_measurements
from export.bundle.measurements import corpus_measurements
from export.bundle.write import copy_bundle
from export.classifiers.licences import data_licence, strictest
from export.cli.common import (
    ExpectedFailure,
    add_cache_argument,
    add_checked_bundle_arguments,
    add_corpus_argument,
    add_device_argument,
    add_publisher_arguments,
    advance_by,
    available_threads,
    note,
    plain_name,
    progress_bar,
    report_to,
    say,
    training_device,
)
from export.cli.data import add_licence_argument, described_data
from export.cli.evaluate import evaluate
from export.corpora.audio import Waveform, read_waveform
from export.corpora.requirements import require_audio, require_mapped, require_trainable
from export.corpora.tables import Corpus, CorpusError, read_corpora
from export.evaluation.calibration_fit import calibrate
from export.published.folder import CONFIG, PublishedError, sha256_of
from export.speech_representations.encoder import EncoderFileError
from export.speech_representations.heads.bundle import write_head_bundle
from export.speech_representations.heads.encoders import (
    MEL,
    LayeredEncoder,
    common_input,
    ge2e_encoder,
    mel_encoder,
    recogniser_encoder,
)
from export.speech_representations.heads.network import HEADS, HIDDEN_UNITS, UNITS, HeadConfig, HeadNetwork
from export.speech_representations.heads.states import Heard, hear, require_hearable
from export.speech_representations.heads.training import HeadRecipe, Trained, held_out, train_head
from export.speech_representations.inputs import RECOGNISER
from export.speech_representations.recipe import common_labels, frozen_encoder
from export.speech_representations.recogniser.deepspeech import CheckpointError, read_weights
from export.training.checkpoint import CHECKPOINT_FILE_NAME, LOG_FILE_NAME
from export.training.curves import draw_curves
from service.card import Licence, TrainingData
from service.settings import Settings

LONGEST_NAME = 64

WHAT = {
    "mean": "The mean over time (B15)",
    "attention": "A mean over time weighted by attention (C14)",
    "recurrent": "A GRU of two directions and its mean over time (B16)",
    "progressive": "The mean over time beside two GRU layers on mel bands, which learn (B17)",
}
"""Heads in words."""

PARITY_RECORDINGS = 4
"""Recordings of the corpora that graph and network are compared on."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    parser.add_argument(
        "--encoder",
        nargs="+",
        required=True,
        metavar="ENCODER",
        help="folder or owner/model of wav2vec 2.0, HuBERT, WavLM, data2vec-audio, w2v-BERT or Whisper; the wheel of "
        f"resemblyzer 0.1.4; folder or checkpoint of 'train recogniser'; '{MEL}', mel bands alone. Several stand side "
        "by side",
    )
    parser.add_argument("--head", choices=HEADS, required=True, help="how states become one vector")
    parser.add_argument("--units", type=int, default=UNITS, help=f"of a GRU or attention (default {UNITS})")
    parser.add_argument(
        "--hidden-units", type=int, default=HIDDEN_UNITS, help="of the dense layer before the answers; 0 for none"
    )
    parser.add_argument("--equalisation", type=float, default=0.75, help="of GE2E: 0 for none, 1 for a flat spectrum")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=32, help="windows of a step")
    parser.add_argument("--rate", type=float, default=HeadRecipe.peak_rate, help="highest learning rate")
    parser.add_argument("--report-steps", type=int, default=50, help="steps between evaluations on devel")
    parser.add_argument("--threads", type=int, help="processors to use; all by default")
    parser.add_argument("--seed", type=int, default=0)
    add_device_argument(parser)
    add_cache_argument(parser)
    add_publisher_arguments(parser)
    add_licence_argument(parser)
    parser.add_argument("--work", type=Path, metavar="DIR", help="checkpoint, log and curves (default: var/heads/NAME)")
    add_checked_bundle_arguments(parser, "of the bundle (default: encoders and head)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Hear, train or go on training, calibrate on devel, write the bundle, score test."""
    threads = arguments.threads or available_threads()
    torch.set_num_threads(threads)
    recipe = _recipe(arguments)
    corpora = _corpora(arguments.corpus)
    encoders, names = _encoders(arguments)
    data = described_data([corpus.partition("train") for corpus in corpora], arguments.data_licence)
    text = _text(arguments, encoders, names, data)
    speech = common_input(encoders)
    labels = common_labels([corpus.partition("train") for corpus in corpora])
    config = HeadConfig(
        arguments.head,
        labels,
        tuple((encoder.layers, encoder.width) for encoder in encoders),
        arguments.units,
        arguments.hidden_units,
    )
    require_hearable(corpora, encoders, speech, arguments.cache, means=config.needs_means_alone)
    parts = [corpus.partition(name) for name in ("train", "devel") for corpus in corpora]
    with progress_bar("listening", len(encoders) * sum(len(part.utterances) for part in parts)) as bar:
        heard = hear(
            encoders,
            parts,
            speech,
            arguments.cache,
            means=config.needs_means_alone,
            device="cuda" if recipe.device == "cuda" else "cpu",
            threads=threads,
            progress=advance_by(bar),
        )
    work = arguments.work or Path("var/heads") / text.name
    about = "; ".join([*(encoder.digest for encoder in encoders), *(corpus.name for corpus in corpora)])
    training, devel = heard[: len(corpora)], heard[len(corpora) :]
    trained = _train(config, training, devel, recipe, work, about)
    note(f"devel UAR {trained.devel_uar:.1%} at step {trained.step} of {recipe.steps}")
    for encoder, shares in zip(encoders, trained.network.shares(), strict=True):
        note(f"{encoder.member.network}: shares of the layers {', '.join(f'{share:.2f}' for share in shares)}")
    say(f"bundle: {_write(arguments, text, encoders, trained, devel, corpora)}")
    return 0


def _recipe(arguments: argparse.Namespace) -> HeadRecipe:
    for name, least in (("steps", 1), ("batch_size", 1), ("report_steps", 1), ("units", 1), ("hidden_units", 0)):
        if getattr(arguments, name) < least:
            raise ExpectedFailure(f"--{name.replace('_', '-')} is {least} at least")
    return HeadRecipe(
        arguments.steps,
        arguments.seed,
        arguments.batch_size,
        arguments.report_steps,
        arguments.rate,
        training_device(arguments.device),
    )


def _corpora(folders: Sequence[Path]) -> list[Corpus]:
    """The corpora, checked before any is heard.

    Raises:
        CorpusError: one of them cannot be learnt from, or cannot be judged.
    """
    corpora = read_corpora(folders)
    require_audio(corpora)
    require_trainable(corpora, ("train",))
    require_mapped(corpora)
    for corpus in corpora:
        if not corpus.partition("test").utterances:
            raise CorpusError(f"{corpus.folder}: no recordings of the partition test to be judged")
    common_labels([corpus.partition("train") for corpus in corpora])
    return corpora


def _encoders(arguments: argparse.Namespace) -> tuple[list[LayeredEncoder], list[str]]:
    """The encoders that the command line names, 'progressive' with its own column, and short names of them.

    Raises:
        ExpectedFailure, UserError: one cannot be read.
    """
    words = [*arguments.encoder, *([MEL] if arguments.head == "progressive" else [])]
    if len(set(words)) < len(words):
        raise ExpectedFailure(
            f"--encoder {' '.join(arguments.encoder)}: each once"
            + (f"; head 'progressive' adds '{MEL}' by itself" if arguments.head == "progressive" else "")
        )
    found = [_encoder(word, arguments) for word in words]
    return [encoder for encoder, _ in found], [name for _, name in found]


def _encoder(word: str, arguments: argparse.Namespace) -> tuple[LayeredEncoder, str]:
    """The encoder that ``word`` names, and a short name of it."""
    path = Path(word)
    if word == MEL:
        return mel_encoder(), MEL
    if path.is_file():
        try:
            return ge2e_encoder(frozen_encoder(path, arguments.equalisation)), "ge2e"
        except EncoderFileError as error:
            if path.suffix == ".whl":
                raise
            return _recogniser(path, arguments, f"; nor the GE2E encoder: {error}"), RECOGNISER
    if (path / CHECKPOINT_FILE_NAME).is_file():
        return _recogniser(path, arguments), RECOGNISER
    if path.is_dir() and not (path / CONFIG).is_file():
        raise PublishedError(
            f"{path}: no {CONFIG}, which says what network the weights are of, and no {CHECKPOINT_FILE_NAME} of "
            "'emoserve-export train recogniser'"
        )
    if not path.exists() and "/" not in word:
        raise ExpectedFailure(f"{word}: no such folder or file, and no owner/model; '{MEL}' takes mel bands alone")
    from export.cli.import_published import bundle_name, locate  # the hub's client is behind it
    from export.speech_representations.heads.published import published_encoder  # transformers is behind it

    folder, name, revision, licence = locate(arguments, word)
    return published_encoder(folder, f"{name}@{revision}" if revision else name, licence), bundle_name(name)


def _recogniser(path: Path, arguments: argparse.Namespace, more: str = "") -> LayeredEncoder:
    try:
        network = read_weights(path)
    except CheckpointError as error:
        raise ExpectedFailure(f"{error}{more}") from error
    if not arguments.licence:
        raise ExpectedFailure(f"{path}: name the licence of the recogniser's weights with --licence SPDX")
    known = data_licence(TrainingData(name="the recogniser", licence=arguments.licence))
    licence = Licence(
        spdx=arguments.licence, commercial_use=known.commercial_use or arguments.commercial_use, attribution=""
    )
    return recogniser_encoder(network, sha256_of(path / CHECKPOINT_FILE_NAME if path.is_dir() else path), licence)


def _text(
    arguments: argparse.Namespace,
    encoders: Sequence[LayeredEncoder],
    names: Sequence[str],
    data: Sequence[TrainingData],
) -> BundleText:
    """The text of the card; the licence is the strictest of encoders and corpora.

    Raises:
        ExpectedFailure: the licence policy forbids it.
    """
    licence = strictest([*(one.member.licence for one in encoders), *map(data_licence, data)])
    if not licence.commercial_use and Settings().licence_policy == "commercial":
        raise ExpectedFailure(f"{licence.spdx} forbids commercial use and the licence policy is 'commercial'")
    title = " and ".join(names)
    return BundleText(
        name=arguments.name or plain_name("-".join([*names, arguments.head])[:LONGEST_NAME].rstrip("-._")),
        version=arguments.version,
        title=f"{arguments.head.capitalize()} head on {title}",
        description=(
            f"{WHAT[arguments.head]}, on the layers of {title} as they were published or trained before, mixed by "
            f"learned weights; trained on {', '.join(entry.name for entry in data)}."
        ),
        licence=licence,
        training_data=(*(entry for one in encoders for entry in one.data), *data),
        known_limits=(
            "Chosen on partition devel of the corpora that it was trained on; other corpora, languages and rooms were "
            "not heard.",
            "It names no plausible emotions, and takes no profiles.",
        ),
    )


def _train(
    config: HeadConfig, training: Sequence[Heard], devel: Sequence[Heard], recipe: HeadRecipe, out: Path, about: str
) -> Trained:
    """The head at its best step; log, curves and checkpoint are in ``out``."""
    torch.manual_seed(recipe.seed)
    network = HeadNetwork(config)
    with progress_bar("training", recipe.steps) as bar:
        trained = train_head(network, training, devel, recipe, out, report_to(bar), about)
    draw_curves(out / LOG_FILE_NAME, out / "curves.png")
    return trained


def _write(
    arguments: argparse.Namespace,
    text: BundleText,
    encoders: Sequence[LayeredEncoder],
    trained: Trained,
    devel: Sequence[Heard],
    corpora: Sequence[Corpus],
) -> Path:
    """Calibrate on devel, write the bundle, score test once."""
    calibration = calibrate([held_out(trained.network, part) for part in devel], "temperature")
    recordings = _recordings(arguments, corpora, common_input(encoders).sample_rate_hz)
    with tempfile.TemporaryDirectory() as scratch:
        draft = write_head_bundle(trained, calibration, encoders, text, Path(scratch), recordings)
        measurements = []
        for corpus in corpora:
            figures, _ = evaluate(draft, corpus.partition("test"), "test")
            folder = arguments.out / draft.relative_to(scratch)
            measurements += corpus_measurements(figures, seen=True, rivals={}, folder=folder)
            note(f"{corpus.name}: test UAR {figures.uar.value:.1%}")
        add_measurements(draft, measurements)
        return copy_bundle(draft, arguments.out)


def _recordings(arguments: argparse.Namespace, corpora: Sequence[Corpus], rate_hz: int) -> list[Waveform]:
    """Recordings for the check of the graph: those that were named, or some of the partition devel."""
    if arguments.audio:
        return [read_waveform(file, rate_hz) for file in arguments.audio]
    rows = [row.audio for corpus in corpora for row in corpus.partition("devel").utterances]
    chosen = rows[:: max(1, len(rows) // PARITY_RECORDINGS)][:PARITY_RECORDINGS]
    return [read_waveform(audio, rate_hz) for audio in chosen if audio is not None]
