"""``emoserve-export action-units``: the action-unit heads, trained on synthetic faces."""

import argparse
from pathlib import Path

from export.cli.common import say
from service.card import read_card


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with synth478.npz and synth468.npz"
    )
    parser.add_argument("--out", type=Path, default=Path("models"), metavar="DIR", help="folder of bundles")
    parser.add_argument("--seed", type=int, default=0, help="draws the held-out identities (default 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, evaluate and write the action-unit bundles; returns the exit status."""
    from export.faces.action_units import train_action_units  # slow to import

    bundles = train_action_units(arguments.data, arguments.out, arguments.seed)
    for bundle in bundles:
        say(str(bundle))
        for measurement in read_card(bundle).measurements:
            interval = " [{:.3f}, {:.3f}]".format(*measurement.interval_95) if measurement.interval_95 else ""
            say(f"  {measurement.metric:22s} {measurement.value:6.3f}{interval}")
    return 0
