"""``emoserve-export train``: each network's training is a module that adds its own arguments."""

from __future__ import annotations

import argparse

from export.cli import train_emonet


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the networks."""
    networks = parser.add_subparsers(dest="network", required=True, metavar="NETWORK")
    train_emonet.configure(networks.add_parser("emonet", help="EmoNet on speech corpora (C7–C22)"))
