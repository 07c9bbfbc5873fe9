"""``emoserve-export export <network>``: one of the eleven Deep Spectrum extractors as a bundle."""

import argparse

from export.cli.common import ExpectedFailure, Subparsers, add_checked_bundle_arguments, note, say
from export.deep_spectrum.bundle import ExtractorBundle, speech_input, write_extractor_bundle
from export.deep_spectrum.networks.normalisation import CONVENTIONS, NORMALISATIONS
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.plot_choice import PARAMETERS, plot_text
from export.deep_spectrum.weights.load import PUBLISHER, load_weights
from export.evaluation.voice import recordings_or_voice
from service.card import Licence

PLOT_OPTIONS = {
    "fft_samples": ("N", "length of the Fourier transform"),
    "hop_samples": ("N", "samples between two frames; half of a changed --fft-samples if not given"),
    "representation": ("KIND", "mel, linear or chroma"),
    "bands": ("N", "mel bands"),
    "mel_formula": ("NAME", "slaney or htk (F1)"),
    "low_hz": ("HZ", "lower edge of the mel bands"),
    "high_hz": ("HZ", "upper edge of the mel bands; half the sample rate if not given"),
    "magnitude": ("KIND", "power or amplitude"),
    "colour_map": ("NAME", "any colour map of matplotlib, such as viridis, magma, jet, gray"),
    "axis": ("KIND", "symlog or linear"),
    "resize": ("KIND", "bicubic or nearest"),
    "window_s": ("S", "length of a window, with --hop-s; the whole clip if not given"),
    "hop_s": ("S", "time between two windows"),
}
"""Free parameters of a plot: what stands for the value, and what they are."""


def add_networks(networks: Subparsers) -> None:
    """Declare a command for each network."""
    for extractor in EXTRACTORS.values():
        summary = f"Deep Spectrum features of {extractor.title} ({extractor.item}) as a bundle"
        configure(networks.add_parser(extractor.name, help=summary, description=summary))


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--weights",
        default=PUBLISHER,
        metavar="FILE",
        help="a .pt, .pth, .safetensors, .onnx, .tflite or .caffemodel file; 'publisher' downloads; random:SEED to try",
    )
    _add_plot_arguments(parser)
    parser.add_argument(
        "--layer",
        default="",
        metavar="NAME",
        help="another layer than the usual; 'networks --layers NETWORK' lists all",
    )
    parser.add_argument("--sample-rate-hz", type=int, metavar="HZ", help="of the recordings; the preset's if not named")
    parser.add_argument(
        "--normalisation",
        default="deepspectrum",
        choices=NORMALISATIONS,
        help="'deepspectrum' leaves out the means that the toolkit leaves out, 'keras' none",
    )
    parser.add_argument("--convention", choices=list(CONVENTIONS), help="normalisation that a file was trained with")
    parser.add_argument("--licence", metavar="SPDX", help="licence of a file's weights")
    parser.add_argument("--commercial-use", action="store_true", help="--licence permits commercial use")
    parser.add_argument("--attribution", default="", help="whom --licence asks to name")
    add_checked_bundle_arguments(parser, "of the bundle; deep-spectrum-NETWORK if not given")
    parser.set_defaults(run=run)


def _add_plot_arguments(parser: argparse.ArgumentParser) -> None:
    plot = parser.add_argument_group("the plot", "a preset, and whatever of it is to be otherwise")
    plot.add_argument("--preset", default="ottl-2020", help="plot of the spectrogram (default ottl-2020)")
    for name, (metavar, explained) in PLOT_OPTIONS.items():
        plot.add_argument(f"--{name.replace('_', '-')}", type=PARAMETERS[name], metavar=metavar, help=explained)


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    changes = {name: getattr(arguments, name) for name in PLOT_OPTIONS if getattr(arguments, name) is not None}
    about = ExtractorBundle(
        preset=plot_text(arguments.preset, changes),
        normalisation=arguments.normalisation,
        sample_rate_hz=arguments.sample_rate_hz,
        version=arguments.version,
        layer=arguments.layer,
        name=arguments.name or "",
    )
    licence = None
    if arguments.licence:
        licence = Licence(
            spdx=arguments.licence, commercial_use=arguments.commercial_use, attribution=arguments.attribution
        )
    try:
        rate_hz = speech_input(about).sample_rate_hz
        weights = load_weights(arguments.network, arguments.weights, arguments.convention, licence)
        note(f"{weights.network}: {weights.source}, trained with '{weights.convention.name}' ({weights.variant})")
        recordings = recordings_or_voice(arguments.audio, rate_hz)
        folder = write_extractor_bundle(weights, about, arguments.out, recordings)
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error
    say(f"{arguments.network}: {folder}")
    return 0
