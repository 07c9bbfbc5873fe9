"""What the offline commands share: arguments, progress bars, expected failures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ExpectedFailure(Exception):
    """A failure that is the user's to mend: told in one line, exit status 1."""


class Subparsers(Protocol):
    """The part of argparse that a command needs to add itself."""

    def add_parser(self, name: str, **options: object) -> argparse.ArgumentParser:
        """Add a command."""
        ...


def available_threads() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def add_corpus_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--corpus DIR…``."""
    parser.add_argument(
        "--corpus",
        nargs="+",
        type=Path,
        required=True,
        metavar="DIR",
        help="corpus folders with utterances.csv",
    )


def add_cache_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache DIR``."""
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("var/cache"),
        metavar="DIR",
        help="where computed features are kept",
    )


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Progress]:
    """A progress bar on standard error, with its only task added; silent where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        progress.add_task(title, total=total)
        yield progress


def advance(progress: Progress) -> None:
    """Move the only task of ``progress`` by one."""
    progress.advance(progress.task_ids[0])


def say(text: str) -> None:
    """Print a line on standard output."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(text + "\n")
