"""A progress bar on standard error for work that takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from service.cli.terminal import say
from service.local.sources import Source, printable
from service.render.plot_style import clock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


LINES_S = 10.0
"""Seconds from one line of progress to the next, where there is no terminal."""


class FileProgress:
    """Without a bar: only messages. Files count by their size."""

    def begin(self, source: Source) -> None:
        """A recording is begun."""

    def update(self, share: float) -> None:
        """Show the share that is done, 0…1."""

    def end(self, source: Source) -> None:
        """It is finished, well or not."""

    def say(self, text: str) -> None:
        """Write a line to standard error."""
        say(text)


class _Bar(FileProgress):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._before = 0
        self._size = 0

    def begin(self, source: Source) -> None:
        self._size = max(source.size_bytes, 1)
        self._progress.update(self._task, description=printable(source.relative.name)[:40])

    def update(self, share: float) -> None:
        self._progress.update(self._task, completed=self._before + share * self._size)

    def end(self, source: Source) -> None:  # noqa: ARG002
        self._before += self._size
        self._progress.update(self._task, completed=self._before)

    def say(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True)


class _Lines(FileProgress):
    """A line now and then, for logs."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._began_at = self._told_at = time.monotonic()

    def end(self, source: Source) -> None:  # noqa: ARG002
        self._done += 1
        now = time.monotonic()
        if now - self._told_at >= LINES_S or self._done == self._total:
            self._told_at = now
            rate = self._done / max(now - self._began_at, 1e-3)
            left = clock((self._total - self._done) / rate)
            self.say(f"{self._done} of {self._total} recordings, {rate:.1f} a second, {left} left")


@contextmanager
def progress_bar(sources: Sequence[Source], *, enabled: bool, lines: bool = False) -> Iterator[FileProgress]:
    """Show a bar while the block runs, which vanishes at its end.

    Args:
        enabled: whether there is a bar.
        lines: whether lines are written where there is none; nothing is shown without either.
    """
    if not enabled:
        yield _Lines(len(sources)) if lines else FileProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Standard output may be a file: rich must not send what is written there to the terminal.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        total = sum(max(source.size_bytes, 1) for source in sources)
        yield _Bar(progress, progress.add_task("", total=total))
    sys.stderr.flush()
