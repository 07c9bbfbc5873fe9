"""``emoserve-export affect-prior``: the affect prior, fitted to a table of human ratings."""

import argparse
from pathlib import Path

from export.cli.common import print_measurements


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--ratings", type=Path, required=True, help="haines2019.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--seed", type=int, default=0, help="of folds and bootstrap")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle of the prior; 0."""
    from export.affect.prior import write_prior  # imports torch, too slow for --help

    print_measurements(write_prior(arguments.ratings, arguments.out, arguments.seed), arguments.out)
    return 0
