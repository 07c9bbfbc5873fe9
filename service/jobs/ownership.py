"""Locks that a service holds while it works on jobs: on its state folder, its spool and its PostgreSQL database.

A second service on one state folder would mistake running jobs for orphaned ones: dbos names an executor by an id and,
as it starts, takes up whatever that id had begun, whether or not the executor still lives. The locks on PostgreSQL and
on its spool are shared by all services that hold leases; releases without leases held them alone, and still keep out
of each other's way by them.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from service.jobs.ledger import postgres_address
from service.settings import Settings


class StateLockedError(Exception):
    """Another service holds the lock."""


class StateLock:
    """A lock on a folder, held until :meth:`release` or the end of the process, even by a kill.

    Args:
        folder: made for this user alone if it does not exist.
        setting: name of the setting that gives the folder.
        shared: whether others may hold it too, who share it.

    Raises:
        StateLockedError: another process holds it.
        OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, setting: str, *, shared: bool = False) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise StateLockedError(f"another process uses {folder}: give this one its own {setting}") from None

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)


LOCK: Final = int.from_bytes(b"emoserve", "big", signed=True)
"""Number of the advisory lock in the database."""

CONNECT_ARGUMENTS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
}
"""Connection settings with which each side notices within seconds that the other is gone."""


class DatabaseLock:
    """A share of an advisory lock of PostgreSQL, held until :meth:`release` or the end of its connection.

    Args:
        url: the database's SQLAlchemy address.

    Raises:
        StateLockedError: a service of a release without leases holds it alone.
        SQLAlchemyError: the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._engine = sql.create_engine(url, poolclass=NullPool, connect_args=CONNECT_ARGUMENTS)
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not self._connection.scalar(sql.select(sql.func.pg_try_advisory_lock_shared(LOCK))):
            self._connection.close()
            raise StateLockedError(
                "a service of an earlier release works on the jobs of EMOSERVE_JOBS_DATABASE_URL: this one waits"
            )

    def is_held(self) -> bool:
        """Whether the connection, and so the lock, still exists."""
        try:
            return bool(self._connection.exec_driver_sql("SELECT 1").scalar() == 1)
        except SQLAlchemyError:
            return False

    def release(self) -> None:
        """Release the lock."""
        try:
            self._connection.close()
        except SQLAlchemyError:
            self._connection.invalidate()


class Ownership:
    """All locks of a service, held until :meth:`release`.

    Raises:
        StateLockedError: another service holds one of them.
        OSError: a folder cannot be written to.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
        ValueError: the address is not one of PostgreSQL.
    """

    def __init__(self, settings: Settings) -> None:
        self._checks: list[Callable[[], bool]] = []
        with ExitStack() as held:
            held.callback(StateLock(settings.state_dir, "EMOSERVE_STATE_DIR").release)
            if settings.jobs_database_url is not None:
                lock = DatabaseLock(postgres_address(settings))
                held.callback(lock.release)
                self._checks.append(lock.is_held)
            if settings.spool_dir is not None:
                shared = settings.jobs_database_url is not None
                held.callback(StateLock(settings.spool_dir, "EMOSERVE_SPOOL_DIR", shared=shared).release)
            self._held = held.pop_all()

    def is_whole(self) -> bool:
        """Whether every lock is still held: a database may drop its lock."""
        return all(check() for check in self._checks)

    def release(self) -> None:
        """Release the lock."""
        self._held.close()
