"""Talking to a terminal, for all commands: clean text, tables, and errors as one line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from service.local.sources import printable
from service.problems import NotAcceptable, Problem, Unprocessable

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 10_000
"""Width without a terminal: no line of a table is folded, so that programs can search it."""


class UsageError(Exception):
    """Arguments that do not go together; exit status 2."""


@contextmanager
def usage_errors() -> Iterator[None]:
    """Refuse flags that the service would refuse as parameters, by :class:`UsageError`."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}") from error
    except (Unprocessable, NotAcceptable) as problem:
        raise UsageError(problem.detail) from problem


def say(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def console_for(stream: TextIO) -> Console:
    """A rich console on ``stream``: as wide as the terminal, or :data:`PLAIN_WIDTH` where there is none."""
    from rich.console import Console

    return Console(
        file=stream, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else PLAIN_WIDTH
    )


def failure_line(error: Exception) -> str | None:
    """``error`` as one line for a person, or None where it is a bug whose traceback is wanted.

    Errors that this package defines carry messages that are written for people. Settings that cannot be read
    and files that cannot be opened are the user's to mend, too.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    if isinstance(error, Problem):
        return _one_line(f"{error.code}: {error.detail}")
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        if not first["loc"]:  # several settings that do not go together
            return _one_line(first["msg"].removeprefix("Value error, "))
        name = "EMOSERVE_" + "__".join(str(part).upper() for part in first["loc"])
        return _one_line(f"{name}: {first['msg']}")
    if isinstance(error, SettingsError):
        field = re.search(r'field "(\w+)"', str(error))
        name = f"EMOSERVE_{field[1].upper()}" if field else str(error)
        return _one_line(f"{name}: a setting that is a list or has parts is written as JSON, such as '[\"models\"]'")
    if isinstance(error, OSError):
        return _one_line(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
    if type(error).__module__.startswith("service."):
        return _one_line(str(error))
    return None


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def silence_stdout() -> None:
    """Let standard output point to nowhere, after its reader has gone: nothing more can fail at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
