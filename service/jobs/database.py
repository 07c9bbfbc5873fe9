"""Errors of the jobs' database: none of them ends a job. Work waits for the database, and callers are told of it."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.problems import JobsUnavailable, NoSpace
from service.telemetry.logs import describe_exception, service_logger

Outcome = TypeVar("Outcome")

FIRST_WAIT_S: Final = 0.25
"""Wait before a call is repeated the first time; each further wait is twice as long."""

LONGEST_WAIT_S: Final = 10.0
"""Longest wait between two calls, so that work goes on soon after the database is back."""

SPACE_WAITS_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Waits for a deleted file's space."""

RETRY_AFTER_S: Final = 5.0
"""Seconds after which clients may try again while the database does not answer."""

_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""SQLite's primary codes where the disk has no room for the change or for its journal."""

_PRIMARY: Final = 0xFF  # of an extended code of SQLite


def is_full(error: SQLAlchemyError) -> bool:
    """Whether SQLite could not write for want of space."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", 0) & _PRIMARY in _FULL


def patient_where_full(call: Callable[[], Outcome]) -> Outcome:
    """The outcome of ``call``, repeated for :data:`SPACE_WAITS_S`: deleted files take space while a job reads them.

    Raises:
        SQLAlchemyError: the disk is still full, or the database fails otherwise.
    """
    for wait_s in SPACE_WAITS_S:
        try:
            return call()
        except SQLAlchemyError as error:
            if not is_full(error):
                raise
            time.sleep(wait_s)
    return call()


@contextmanager
def database_told() -> Iterator[None]:
    """Tell the caller of errors of the database in a ``with`` block.

    Raises:
        NoSpace: its disk is full.
        JobsUnavailable: it does not answer.
    """
    try:
        yield
    except SQLAlchemyError as error:
        if is_full(error):
            raise NoSpace("There is no space for the jobs' database.") from None
        raise JobsUnavailable("The jobs' database does not answer.", retry_after_s=RETRY_AFTER_S) from None


class Patience:
    """Repeats calls until the database answers; raises ``stopped`` once ``stopping`` is set."""

    def __init__(self, stopping: threading.Event, stopped: type[BaseException]) -> None:
        self._stopping = stopping
        self._stopped = stopped

    def __call__(self, call: Callable[[], Outcome]) -> Outcome:
        """The outcome of ``call``, which must bear to be repeated after it was done.

        Raises:
            BaseException: ``stopped``, when the service stops first.
        """
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return call()
            except SQLAlchemyError as error:
                if wait_s == FIRST_WAIT_S:
                    fields = describe_exception(type(error), error.__traceback__)
                    service_logger.warning("a job waits for its database", extra={"fields": fields})
                if self._stopping.wait(wait_s):
                    raise self._stopped from None
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
