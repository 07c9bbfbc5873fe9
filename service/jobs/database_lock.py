"""One service a database: a second one would take the jobs of the living first for those of a dead one.

dbos names an executor by an id and, as it starts, takes up whatever that id had begun; nothing in it tells a dead
executor from a living one. So whoever works on the jobs holds an advisory lock of PostgreSQL, which ends with its
connection, however the process ends.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from service.jobs.lock import StateLockedError

LOCK: Final = int.from_bytes(b"emoserve", "big", signed=True)
"""Names the lock among all of the database."""

CONNECT_ARGUMENTS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
}
"""Both sides notice within seconds that the other is gone."""


class DatabaseLock:
    """Held from the beginning until :meth:`release` or the end of the connection.

    Args:
        url: of the database, as SQLAlchemy wants it.

    Raises:
        StateLockedError: another service has it.
        SQLAlchemyError: the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._engine = sql.create_engine(url, poolclass=NullPool, connect_args=CONNECT_ARGUMENTS)
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not self._connection.scalar(sql.select(sql.func.pg_try_advisory_lock(LOCK))):
            self._connection.close()
            raise StateLockedError("another service works on the jobs of EMOSERVE_JOBS_DATABASE_URL: this one waits")

    def is_held(self) -> bool:
        """Whether the connection, and so the lock, is still there."""
        try:
            return self._connection.scalar(sql.select(1)) == 1
        except SQLAlchemyError:
            return False

    def release(self) -> None:
        """Let others have it."""
        try:
            self._connection.close()
        except SQLAlchemyError:
            self._connection.invalidate()
