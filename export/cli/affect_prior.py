"""``emoserve-export affect-prior``: the affect prior, fitted to a table of human ratings."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from service.card import Card


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


def print_measurements(card: Card, folder: Path) -> None:
    """Print the card's figures, a line each, and where the bundle is."""
    console = Console()
    for figure in card.measurements:
        interval = "" if figure.interval_95 is None else " ({:.3f} to {:.3f})".format(*figure.interval_95)
        console.print(f"{figure.metric} {figure.value:.3f}{interval}  {figure.data}, {figure.split}, n = {figure.n}")
    console.print(f"{card.name} {card.version} written below {folder}")
