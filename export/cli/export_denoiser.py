"""``emoserve-export export denoiser``: write the bundle, measure it on test partitions, complete the card."""

import argparse

from export.bundle.card import BundleText, add_measurements, read_text
from export.cli.common import ExpectedFailure, add_corpus_argument, add_trained_bundle_arguments, note, say
from export.cli.evaluate_denoiser import describe, evaluate
from export.corpora.audio import parity_recordings
from export.corpora.tables import read_corpora
from export.denoiser.bundle import denoising_measurements, write_denoiser_bundle
from export.denoiser.recipe import load_denoiser


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_trained_bundle_arguments(parser, "checkpoint of 'train denoiser'")
    parser.add_argument("--seed", type=int, default=0, help="of the test noises and rooms")
    add_corpus_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    if not arguments.weights.is_file():
        raise ExpectedFailure(f"{arguments.weights}: no such checkpoint")
    network = load_denoiser(arguments.weights)
    about, seen = read_text(arguments.card, BundleText)
    corpora = read_corpora(arguments.corpus)
    folder = write_denoiser_bundle(network, about, arguments.out, parity_recordings(corpora))
    measurements = []
    for corpus in corpora:
        reports = evaluate(folder, corpus.partition("test"), arguments.seed)
        measurements += denoising_measurements(
            reports, corpus.name, "test", corpus.name in seen, folder, arguments.seed
        )
        for report in reports:
            note(describe(report, corpus.name))
    add_measurements(folder, measurements)
    say(f"bundle: {folder}")
    return 0
