"""``emoserve models``: what bundles there are and how good they are."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import orjson

from service.card import Measurement, Task
from service.cli.settings_flags import add_model_flags, settings_from
from service.cli.table_parts import plain_table
from service.cli.terminal import console_for
from service.problems import ModelNotFound

if TYPE_CHECKING:
    from service.registry import Bundle, Registry

_SHORT_NAMES = {
    "unweighted_average_recall": "UAR",
    "concordance_correlation_coefficient": "CCC",
    "accuracy": "accuracy",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("--json", action="store_true", help="whole model cards as JSON")
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a table, or all cards; returns the exit status: 1 where there is no model at all."""
    settings = settings_from(arguments)
    from service.registry import Registry

    registry = Registry.load(settings)
    if arguments.json:
        sys.stdout.write(_document(registry))
    else:
        _print_table(registry)
    return 0 if registry.bundles else 1


def _document(registry: Registry) -> str:
    document = {
        "models": [
            {
                "sha256": bundle.sha256,
                "default": is_default(registry, bundle),
                "card": bundle.card.model_dump(mode="json", exclude_none=True),
            }
            for bundle in registry.bundles
        ],
        "withheld": [
            {"name": entry.name, "version": entry.version, "reason": entry.reason} for entry in registry.withheld
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _print_table(registry: Registry) -> None:
    table = plain_table("", "model", "version", "task", "licence", "measured")
    for bundle in registry.bundles:
        card = bundle.card
        licence = card.licence.spdx + ("" if card.licence.commercial_use else " (not commercial)")
        # The figures with an interval are the headlines; --json and the card have the rest.
        figures = "\n".join(figure(entry) for entry in card.measurements if entry.interval_95 is not None)
        mark = "*" if is_default(registry, bundle) else ""
        table.add_row(mark, card.name, card.version, card.task, licence, figures or "–")
    console = console_for(sys.stdout)
    if registry.bundles:
        console.print(table)
        console.print("* used where a request names none")
    else:
        console.print("There are no models.")
    for entry in registry.withheld:
        console.print(f"withheld: {entry.name} {entry.version}: {entry.reason}")


def is_default(registry: Registry, bundle: Bundle) -> bool:
    """Whether ``bundle`` is what its task uses when no model is named."""
    task: Task = bundle.card.task
    try:
        return registry.find(task=task) is bundle
    except ModelNotFound:
        return False


def figure(measurement: Measurement) -> str:
    """A measurement in one line, such as ``UAR 0.652 [0.631, 0.673] CREMA-D test``."""
    name = _SHORT_NAMES.get(measurement.metric, measurement.metric.replace("_", " "))
    interval = measurement.interval_95
    bounds = "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    return f"{name} {measurement.value:.3f}{bounds} {measurement.data} {measurement.split}"
