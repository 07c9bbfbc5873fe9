"""``emoserve-export export deep-spectrum`` and ``export fusion``: classifiers behind their networks, as one bundle."""

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from export.classifiers.bundle import (
    ClassifierBundle,
    Network,
    common_input,
    match_networks,
    read_network,
    write_classifier_bundle,
)
from export.classifiers.fusion import read_fusion
from export.classifiers.head import Head, read_head
from export.classifiers.recipe import FusionKind
from export.cli.common import ExpectedFailure, bundle_card, note, plain_name, plain_version, say
from export.deep_spectrum.bundle import bundle_of_front_end, write_extractor_bundle
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.weights.load import load_weights
from export.evaluation.verification import BATCH_TOLERANCE
from export.evaluation.voice import recordings_or_voice, synthetic_voice
from service.card import Measurement, read_card

CHECKED_DURATIONS = (0.3, 0.55, 0.8, 0.999, 1.0)
"""Shares of a window that the parity check's clips last, as far as the network takes them."""

LONGEST_NAME = 64


def configure_single(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``export deep-spectrum``."""
    parser.add_argument("--head", type=Path, required=True, metavar="DIR", help="result of 'train deep-spectrum'")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--extractor", type=Path, metavar="DIR", help="bundle that gives the embedding")
    source.add_argument(
        "--weights", metavar="FILE", help="file of the network's weights, or 'publisher': no bundle needed"
    )
    _add_common(parser)
    parser.set_defaults(run=run_single)


def configure_fusion(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``export fusion``."""
    parser.add_argument("--fusion", type=Path, required=True, metavar="DIR", help="result of 'train fusion'")
    parser.add_argument("--extractor", nargs="+", type=Path, required=True, metavar="DIR", help="bundles, any order")
    _add_common(parser)
    parser.set_defaults(run=run_fusion)


def run_single(arguments: argparse.Namespace) -> int:
    """Export one classifier."""
    head = read_head(arguments.head)
    if len(head.card.backbones) > 1:
        raise ExpectedFailure(f"{arguments.head}: is on several networks; 'emoserve-export export fusion' takes it")
    if arguments.extractor:
        return _export(arguments, [head], None, [arguments.extractor], head.card.measurements, [])
    # Bundle of the network alone, for the time of this command: the classifier's bundle holds all of it.
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_extractor(head, arguments.weights, Path(scratch))
        return _export(arguments, [head], None, [folder], head.card.measurements, [])


def run_fusion(arguments: argparse.Namespace) -> int:
    """Export a fusion."""
    fusion = read_fusion(arguments.fusion)
    card = fusion.card
    return _export(arguments, fusion.heads, card.kind, arguments.extractor, card.measurements, card.notes)


def make_extractor(head: Head, weights: str, out: Path) -> Path:
    """The bundle of the network that ``head`` was trained behind, from a file of its weights; returns its folder.

    Network, plot, normalisation, layer and sample rate are those of the head's card.

    Raises:
        ExpectedFailure: the head is not behind a Deep Spectrum network, or the weights are not that network's.
    """
    backbone = head.card.backbones[0]
    if backbone.kind != "graph" or backbone.network not in EXTRACTORS:
        raise ExpectedFailure(f"the classifier is behind '{backbone.network}', not a Deep Spectrum network")
    about = bundle_of_front_end(backbone.preset, backbone.sample_rate_hz)
    voices = recordings_or_voice(None, backbone.sample_rate_hz)
    try:
        return write_extractor_bundle(load_weights(backbone.network, weights), about, out, voices)
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("var/models"), metavar="DIR", help="folder of bundles")
    parser.add_argument(
        "--name", type=plain_name, help="name of the bundle; made of the networks and the data if not given"
    )
    parser.add_argument("--version", type=plain_version, default="1")
    parser.add_argument("--title", default="")
    parser.add_argument("--priority", type=int, default=0, help="the highest is the service's default model")
    parser.add_argument(
        "--allow-other-weights",
        action="store_true",
        help="take networks of other weights or presets than the classifier was trained behind",
    )


def _export(
    arguments: argparse.Namespace,
    heads: Sequence[Head],
    kind: FusionKind | None,
    folders: Sequence[Path],
    measurements: Sequence[Measurement],
    notes: Sequence[str],
) -> int:
    for folder in folders:
        bundle_card(folder)
    try:
        needed = [backbone for head in heads for backbone in head.card.backbones]
        given = [read_network(folder) for folder in folders]
        networks = match_networks(needed, given, allow_other=arguments.allow_other_weights)
        about = ClassifierBundle(
            name=arguments.name or default_name(heads, networks, kind),
            version=arguments.version,
            title=arguments.title,
            priority=arguments.priority,
            measurements=tuple(measurements),
            notes=tuple(notes),
        )
        speech = common_input(heads, networks)
        lengths_s = [max(share * speech.window_s, speech.min_length_s) for share in CHECKED_DURATIONS]
        clips = [synthetic_voice(s, speech.sample_rate_hz, seed) for seed, s in enumerate(lengths_s)]
        folder = write_classifier_bundle(heads, kind, networks, about, arguments.out, clips)
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error
    card = read_card(folder)
    if float(card.settings["batch_difference"]) > BATCH_TOLERANCE:  # type: ignore[arg-type]
        note(f"WARNING: the company in a batch moves probabilities by {card.settings['batch_difference']:.1e}")
    commercial = "" if card.licence.commercial_use else ", not for commercial use"
    say(f"bundle: {folder} (licence {card.licence.spdx}{commercial})")
    return 0


def default_name(heads: Sequence[Head], networks: Sequence[Network], kind: FusionKind | None) -> str:
    """Networks, kind of fusion and data, as a name of a bundle: 'mobilenet-v2-emodb7'."""
    words = [network.backbone.network for network in networks] if len(networks) < 4 else [f"{len(networks)}-networks"]
    words += [kind] if kind else []
    words += [entry.name for entry in heads[0].card.training_data]
    plain = re.sub(r"[^a-z0-9.-]+", "-", "-".join(words).lower()).strip("-._")
    return plain[:LONGEST_NAME] or "classifier"
