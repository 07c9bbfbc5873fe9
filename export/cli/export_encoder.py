"""``emoserve-export export recogniser|ge2e-encoder|ge2e-speakers``: an encoder alone as a bundle."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from export.bundle.card import BundleText
from export.cli.common import (
    ExpectedFailure,
    add_checked_bundle_arguments,
    add_corpus_argument,
    advance,
    progress_bar,
    say,
)
from export.corpora.audio import Waveform
from export.corpora.licences import strictest_licence, training_data
from export.corpora.tables import read_corpus
from export.evaluation.voice import recordings_or_voice
from export.speech_representations.encoder_bundle import (
    BATCH_SIZE,
    represent,
    write_ge2e,
    write_recogniser,
    write_speakers,
)
from export.speech_representations.inputs import GE2E_DATA
from export.speech_representations.recipe import frozen_encoder
from export.speech_representations.recogniser.deepspeech import CheckpointError, read_weights
from export.speech_representations.recogniser.spectrogram import SAMPLE_RATE_HZ
from export.speech_representations.speakers import SpeakerEncoder, fit_projection, voice_pieces
from service.card import Licence

SAME_VOICE = 0.5
"""Chosen on mixtures of speakers of train and devel partitions; docs/speakers.md."""


def configure_recogniser(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        metavar="FILE",
        help="folder or checkpoint of 'train recogniser', or a checkpoint of deepspeech.pytorch (96700b2)",
    )
    parser.add_argument("--layers", type=int, nargs="+", default=[2], metavar="N", help="layers from 1 on (default 2)")
    parser.add_argument("--licence", required=True, metavar="SPDX", help="licence of the weights")
    parser.add_argument("--commercial-use", action="store_true", help="--licence permits commercial use")
    parser.add_argument("--attribution", default="", help="whom --licence asks to name")
    _configure(parser, "recogniser", _recogniser)


def configure_ge2e(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--encoder", type=Path, required=True, metavar="FILE", help="the wheel of resemblyzer 0.1.4")
    parser.add_argument("--equalisation", type=float, default=0.0, help="0 for none, 1 for a flat mean spectrum")
    _configure(parser, "ge2e-encoder", _ge2e)


def configure_speakers(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    parser.add_argument("--encoder", type=Path, required=True, metavar="FILE", help="the wheel of resemblyzer 0.1.4")
    parser.add_argument("--licence", metavar="SPDX", help="licence of corpora that are not known here")
    parser.add_argument(
        "--threshold",
        type=float,
        default=SAME_VOICE,
        metavar="X",
        help=f"cosine from which on two groups are one voice (default {SAME_VOICE:g}; python -m research diarisation)",
    )
    parser.add_argument("--seed", type=int, default=0)
    _configure(parser, "ge2e-speakers", _speakers)


Write = Callable[[argparse.Namespace, list[Waveform]], Path]


def _configure(parser: argparse.ArgumentParser, name: str, write: Write) -> None:
    add_checked_bundle_arguments(parser, "of the bundle", name)
    parser.set_defaults(run=run, write=write)


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    recordings = recordings_or_voice(arguments.audio, SAMPLE_RATE_HZ)
    try:
        say(f"bundle: {arguments.write(arguments, recordings)}")
    except CheckpointError as error:
        raise ExpectedFailure(str(error)) from error
    return 0


def _recogniser(arguments: argparse.Namespace, recordings: list[Waveform]) -> Path:
    network = read_weights(arguments.weights)
    config = network.config
    unknown = [layer for layer in arguments.layers if not 1 <= layer <= config.layers]
    if unknown or len(set(arguments.layers)) < len(arguments.layers):
        raise ExpectedFailure(f"--layers takes different numbers from 1 to {config.layers}")
    text = BundleText(
        name=arguments.name,
        version=arguments.version,
        title=f"Speech recogniser, layer {' and '.join(map(str, arguments.layers))}",
        description=(
            f"Mean over time of what {config.units} units of a speech recogniser give (two convolutions, "
            f"{config.layers} bidirectional GRU layers, characters by CTC; B1–B5, B15). Characters are not kept."
        ),
        licence=Licence(
            spdx=arguments.licence, commercial_use=arguments.commercial_use, attribution=arguments.attribution
        ),
        known_limits=(
            "How well it serves depends on how much speech the recogniser has heard.",
            "One unit may follow loudness alone (B6).",
        ),
    )
    return write_recogniser(network, arguments.layers, text, arguments.out, recordings)


def _ge2e(arguments: argparse.Namespace, recordings: list[Waveform]) -> Path:
    attribution = "Weights by Resemble AI: the GE2E encoder of resemblyzer 0.1.4."
    text = BundleText(
        name=arguments.name,
        version=arguments.version,
        title="GE2E speaker encoder",
        description=(
            "Mean and deviation over time of each unit of the three LSTM layers of a speaker encoder (GE2E, Wan et "
            "al. 2018), over frames within 30 dB of the loudest; weights as they were published."
        ),
        licence=Licence(spdx="Apache-2.0", commercial_use=True, attribution=attribution),
        training_data=(GE2E_DATA,),
        known_limits=("It was made to tell speakers apart, and does.",),
    )
    return write_ge2e(frozen_encoder(arguments.encoder, arguments.equalisation), text, arguments.out, recordings)


def _speakers(arguments: argparse.Namespace, recordings: list[Waveform]) -> Path:
    corpora = [read_corpus(folder, with_emotions=False).partition("train") for folder in arguments.corpus]
    network = SpeakerEncoder.published(arguments.encoder)
    clips, speakers = voice_pieces(corpora, arguments.seed)
    with progress_bar("listening", -(-len(clips) // BATCH_SIZE)) as bar:
        fitted = fit_projection(represent(network.encoder, clips, lambda: advance(bar)), speakers)
    network.projection, network.offset = map(torch.from_numpy, fitted)
    data = (GE2E_DATA, *training_data(corpora, arguments.licence))
    licence = strictest_licence(data)
    text = BundleText(
        name=arguments.name,
        version=arguments.version,
        title="Who speaks when",
        description=(
            f"The published embedding of a speaker encoder (GE2E, Wan et al. 2018) beside a projection of its layers "
            f"(linear discriminant analysis) that this project fitted on {len(set(speakers))} speakers."
        ),
        licence=licence,
        training_data=data,
        known_limits=(
            "Strong emotion changes a voice: one person may count as two.",
            "Voices of one sex and age, in noise or from one telephone line, may count as one.",
            "Where two people speak at once, one of them is told.",
        ),
    )
    return write_speakers(network, arguments.threshold, text, arguments.out, recordings)
