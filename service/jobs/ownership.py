"""What a service must own to work on jobs: its state folder, its spool, and its database where that is PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from service.jobs.database_lock import DatabaseLock
from service.jobs.lock import StateLock
from service.jobs.storage import postgres_address
from service.settings import Settings


class Ownership:
    """Held from the beginning until :meth:`release`.

    Raises:
        StateLockedError: another service has one of them.
        OSError: a folder cannot be written to.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
        ValueError: the address is of no PostgreSQL.
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
                held.callback(StateLock(settings.spool_dir, "EMOSERVE_SPOOL_DIR").release)
            self._held = held.pop_all()

    def is_whole(self) -> bool:
        """Whether all of it is still ours: a database may let go of its lock."""
        return all(check() for check in self._checks)

    def release(self) -> None:
        """Let others have it."""
        self._held.close()
