"""``emoserve-export export recogniser|ge2e-encoder``: an encoder alone as a bundle of the task 'speech-embedding'."""

import argparse
from collections.abc import Callable
from pathlib import Path

from export.bundle.card import BundleText
from export.cli.common import ExpectedFailure, plain_name, plain_version, say
from export.corpora.audio import Waveform
from export.evaluation.verification import ParityError
from export.evaluation.voice import recordings_or_voice
from export.speech_representations.encoder_bundle import write_ge2e, write_recogniser
from export.speech_representations.recipe import frozen_encoder
from export.speech_representations.recogniser.deepspeech import CheckpointError, read_weights
from export.speech_representations.recogniser.spectrogram import SAMPLE_RATE_HZ
from service.card import Licence, TrainingData


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


Write = Callable[[argparse.Namespace, list[Waveform]], Path]


def _configure(parser: argparse.ArgumentParser, name: str, write: Write) -> None:
    parser.add_argument("--name", type=plain_name, default=name, help="of the bundle")
    parser.add_argument("--version", type=plain_version, default="1", help="version of the bundle")
    parser.add_argument("--audio", nargs="+", type=Path, metavar="FILE", help="recordings for the check of the graph")
    parser.add_argument("--out", type=Path, default=Path("var/models"), metavar="DIR", help="folder of bundles")
    parser.set_defaults(run=run, write=write)


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    recordings = recordings_or_voice(arguments.audio, SAMPLE_RATE_HZ)
    try:
        say(f"bundle: {arguments.write(arguments, recordings)}")
    except (CheckpointError, ParityError) as error:
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
        training_data=(
            TrainingData(
                name="GE2E encoder of resemblyzer 0.1.4",
                licence="Apache-2.0",
                reference="Weights by Resemble AI; Wan et al. 2018, arXiv:1710.10467",
            ),
        ),
        known_limits=("It was made to tell speakers apart, and does.",),
    )
    return write_ge2e(frozen_encoder(arguments.encoder, arguments.equalisation), text, arguments.out, recordings)
