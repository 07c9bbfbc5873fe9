"""``emoserve models``: the bundles and how good they are; ``pin`` chooses the default, ``reload`` takes up new ones."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from service.card import Measurement, Task
from service.cli.health import NoAnswer, answer_of
from service.cli.settings_flags import add_model_flags, settings_from
from service.cli.table_parts import plain_table
from service.cli.terminal import UsageError, console_for, say
from service.places import process_file
from service.problems import ModelNotFound
from service.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from service.registry import Bundle, Registry

_SHORT_NAMES = {
    "unweighted_average_recall": "UAR",
    "concordance_correlation_coefficient": "CCC",
    "accuracy": "accuracy",
}


_READY = "/v2/health/ready"
_ANSWER_S = 10.0
_LOOK_S = 0.1

RELOAD_S = 300.0
"""Longest wait for a running service to load its models anew."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=["list", "pin", "reload"],
        default="list",
        help="'pin' sets or tells the speech model of requests that name none; 'reload' has the running service load "
        "the bundles anew, while it answers",
    )
    parser.add_argument(
        "model", nargs="?", metavar="NAME[:VERSION]|none", help="for 'pin': the model, or no pin at all"
    )
    parser.add_argument("--json", action="store_true", help="whole model cards as JSON")
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the action; returns the exit status: 1 where there is no model at all, or it could not be done.

    Raises:
        UsageError: arguments that do not go together.
    """
    settings = settings_from(arguments)
    if arguments.model is not None and arguments.action != "pin":
        raise UsageError(f"'models {arguments.action}' takes no model")
    if arguments.action == "pin":
        return _pin(settings, arguments.model)
    if arguments.action == "reload":
        return _reload(settings)
    from service.registry import Registry

    registry = Registry.load(settings)
    if arguments.json:
        sys.stdout.write(_document(registry))
    else:
        _print_table(registry)
    return 0 if registry.bundles else 1


def _pin(settings: Settings, model: str | None) -> int:
    """Set, remove or tell the pin."""
    from service.pipeline.device.session import resolve_provider
    from service.pipeline.speech.load import load_models
    from service.registry import Registry, pin_file, pinned_model

    if model is None:
        sys.stdout.write(f"{pinned_model(settings) or 'no model is pinned'}\n")
        return 0
    file = pin_file(settings)
    if model == "none":
        file.unlink(missing_ok=True)
        sys.stdout.write("no model is pinned\n")
        return 0
    name, _, version = model.partition(":")
    registry = Registry.load(settings, pin=False)
    try:
        bundle = registry.find(name, version or None)
    except ModelNotFound as problem:
        raise UsageError(f"{model}: {problem.detail}") from problem
    # Its graph runs, and answers about its check clip what its card says.
    load_models(settings, replace(registry, bundles=(bundle,)), resolve_provider(settings.device)).warm_up()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(f"{model}\n", "utf-8")
    unfinished.replace(file)
    sys.stdout.write(f"{model} is pinned; a running service takes it up with 'emoserve models reload'\n")
    return 0


def _reload(settings: Settings) -> int:
    """Send SIGHUP to the service of these settings, and wait for what comes of it."""
    file = process_file(settings.state_dir, settings.port)
    process = _running(file)
    if process is None:
        say(f"no service runs on port {settings.port} with the state folder {settings.state_dir}")
        return 1
    try:
        _, before = answer_of(settings, _READY, _ANSWER_S)
        os.kill(process, signal.SIGHUP)
        until_s = time.monotonic() + RELOAD_S
        while time.monotonic() < until_s:
            time.sleep(_LOOK_S)
            _, now = answer_of(settings, _READY, _ANSWER_S)
            if now.get("reloads", 0) > before.get("reloads", 0):
                problem = now.get("reload_problem")
                sys.stdout.write("the models are taken over\n" if problem is None else f"refused: {problem}\n")
                return 0 if problem is None else 1
    except (NoAnswer, OSError) as error:
        say(str(error))
        return 1
    say(f"the service has not loaded its models within {RELOAD_S:g} s; its log says more")
    return 1


def _running(file: Path) -> int | None:
    """The process that holds ``file`` locked; None where none does."""
    try:
        with file.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(held.read())
    except (OSError, ValueError):
        pass
    return None


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
