"""``emoserve-export networks``: the catalogue."""

import argparse
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from export.catalogue import CATALOGUE
from export.cli.common import ExpectedFailure, say

PIPED_WIDTH = 500
"""Columns where no terminal tells how many there are; no row of the catalogue is wider."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    parser.add_argument("--layers", metavar="NETWORK", help="the layers of a Deep Spectrum network, for export --layer")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print every network, or the layers of one."""
    if arguments.layers:
        return _print_layers(arguments.layers, as_json=arguments.json)
    if arguments.json:
        say(json.dumps([asdict(entry) for entry in CATALOGUE], ensure_ascii=False, indent=1))
        return 0
    table = Table("network", "items", "what", "differs from its source", "command", show_lines=True)
    for entry in CATALOGUE:
        table.add_row(entry.name, entry.items, entry.what, entry.differs, entry.command)
    console = Console()
    # A file or a pipe has no width: rich would fold everything into 80 columns.
    Console(width=None if console.is_terminal else PIPED_WIDTH).print(table)
    return 0


def _print_layers(name: str, *, as_json: bool) -> int:
    from export.deep_spectrum.networks.layers import readable_layers
    from export.deep_spectrum.networks.network import EmbeddingNetwork
    from export.deep_spectrum.networks.specification import EXTRACTORS  # PyTorch is behind it

    if name not in EXTRACTORS:
        raise ExpectedFailure(f"there is no extractor '{name}': choose one of {', '.join(EXTRACTORS)}")
    found = readable_layers(EmbeddingNetwork(name).network, EXTRACTORS[name].size)
    if as_json:
        say(json.dumps(found))
        return 0
    for layer, numbers in found.items():
        say(f"{layer}: {numbers} numbers")
    return 0
