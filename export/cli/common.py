"""Arguments, progress bars and expected failures of the offline commands."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from export.corpora.tables import CorpusError
from export.failures import UserError
from service.card import CARD_FILE_NAME, Card, read_card
from service.cpus import usable_cpus
from service.problems import EmoserveError


class ExpectedFailure(Exception):
    """A failure that is the user's to mend: told in one line, exit status 1."""


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The part of argparse that a command adds itself to."""


def exit_status(program: str, chosen: argparse.Namespace) -> int:
    """Run the command of ``chosen``; its exit status, or 1 for an expected failure and 130 when it is stopped."""
    try:
        return int(chosen.run(chosen))
    except (ExpectedFailure, UserError, CorpusError, EmoserveError, OSError) as failure:
        note(f"{program}: {failure}")
        return 1
    except KeyboardInterrupt:
        note(f"{program}: stopped; training goes on from its last checkpoint when started again")
        return 130


def available_threads() -> int:
    """Threads for heavy work: as many as ``OMP_NUM_THREADS`` says, or else as there are usable processors."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) else usable_cpus()


def add_corpus_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--corpus DIR…``."""
    parser.add_argument(
        "--corpus", nargs="+", type=Path, required=True, metavar="DIR", help="corpus folders with utterances.csv"
    )


def add_trained_bundle_arguments(parser: argparse.ArgumentParser, checkpoint: str) -> None:
    """Add what the export of a trained network takes: ``--weights``, a ``checkpoint``, ``--card`` and ``--out``."""
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help=checkpoint)
    parser.add_argument(
        "--card", type=Path, required=True, metavar="FILE", help="name, licence, data and limits as JSON"
    )
    parser.add_argument("--out", type=Path, default=Path("models"), metavar="DIR", help="folder of bundles")


def add_checked_bundle_arguments(parser: argparse.ArgumentParser, name: str, default: str | None = None) -> None:
    """Add what a bundle takes whose graph is checked on recordings: ``--name``, ``--version``, ``--audio``, ``--out``.

    Args:
        name: what ``--name`` says for itself; ``default`` is its default.
    """
    parser.add_argument("--name", type=plain_name, default=default, help=name)
    parser.add_argument("--version", type=plain_version, default="1", help="version of the bundle")
    parser.add_argument("--audio", nargs="+", type=Path, metavar="FILE", help="recordings for the check of the graph")
    parser.add_argument("--out", type=Path, default=Path("var/models"), metavar="DIR", help="folder of bundles")


def add_publisher_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a publisher's model takes: ``--revision``, ``--accept-licence``, ``--downloads``, ``--licence`` …"""
    parser.add_argument("--revision", metavar="COMMIT", help="commit, tag or branch of the hub (default: the newest)")
    parser.add_argument("--accept-licence", metavar="ID", help="the hub's licence that you have read and accept")
    parser.add_argument(
        "--downloads", type=Path, default=Path("var/published"), metavar="DIR", help="where files of the hub are kept"
    )
    parser.add_argument("--licence", metavar="SPDX", help="licence of the weights, where the publisher names none")
    parser.add_argument("--commercial-use", action="store_true", help="--licence permits commercial use")


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where it computes (default cpu)")


def training_device(name: str) -> str:
    """The device of a training that ``--device`` names.

    Raises:
        ExpectedFailure: PyTorch cannot use it.
    """
    import torch  # slow to import

    if name == "cuda" and not torch.cuda.is_available():
        raise ExpectedFailure("the device 'cuda' cannot be used: PyTorch finds no GPU here; --device cpu works")
    return name


def add_cache_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache DIR``."""
    parser.add_argument(
        "--cache", type=Path, default=Path("var/cache"), metavar="DIR", help="where computed features are kept"
    )


def bundle_card(folder: Path) -> Card:
    """The card of a bundle that the command line names.

    Raises:
        ExpectedFailure: there is none in ``folder``, or it is not valid.
    """
    if not (folder / CARD_FILE_NAME).is_file():
        raise ExpectedFailure(f"{folder} is not a bundle: it has no {CARD_FILE_NAME}")
    try:
        return read_card(folder)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise ExpectedFailure(f"{folder / CARD_FILE_NAME} is not valid at {where}: {first['msg']}") from error


def plain_name(text: str) -> str:
    """A name that a bundle's card may have, for argparse."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no name of a bundle: lower-case letters, digits, '.', '_', '-'")
    return text


def plain_version(text: str) -> str:
    """A version that a bundle's card may have, for argparse."""
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no version of a bundle: letters, digits, '.', '_', '-'")
    return text


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on standard error, with its only task added; silent where that is no terminal.

    Args:
        total: steps; None where nobody knows how many.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        progress.add_task(title, total=total)
        yield progress


def advance(progress: Progress) -> None:
    """Move the only task of ``progress`` by one."""
    progress.advance(progress.task_ids[0])


def advance_by(progress: Progress) -> Callable[[], None]:
    """A function that moves the only task of ``progress`` by one."""
    return partial(advance, progress)


def report_to(bar: Progress) -> Callable[[int, float], None]:
    """A function that shows step and loss on a progress bar."""

    def show(step: int, loss: float) -> None:
        bar.update(bar.task_ids[0], completed=step, description=f"loss {loss:.3f}")

    return show


def say(text: str) -> None:
    """Print a line on standard output."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(text + "\n")


def print_measurements(card: Card, folder: Path) -> None:
    """Print the card's figures, a line each, and where the bundle is."""
    console = Console()
    for figure in card.measurements:
        interval = "" if figure.interval_95 is None else " ({:.3f} to {:.3f})".format(*figure.interval_95)
        console.print(f"{figure.metric} {figure.value:.3f}{interval}  {figure.data}, {figure.split}, n = {figure.n}")
    console.print(f"{card.name} {card.version} written below {folder}")
