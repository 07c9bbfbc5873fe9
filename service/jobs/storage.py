"""Which databases jobs use: two SQLite files of the state folder, or one PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sql

from service.jobs.ledger import Ledger, sqlite_engine
from service.settings import POSTGRESQL, Settings

_DRIVER = "postgresql+psycopg://"


def open_ledger(settings: Settings, clock: Callable[[], float]) -> Ledger:
    """The table of jobs.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
    """
    if settings.jobs_database_url is None:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Ledger(sqlite_engine(settings.state_dir / "jobs.sqlite"), clock)
    return Ledger(sql.create_engine(postgres_address(settings), pool_pre_ping=True), clock)


def workflows_url(settings: Settings) -> str:
    """Address of the database of workflows."""
    if settings.jobs_database_url is None:
        return f"sqlite:///{settings.state_dir / 'workflows.sqlite'}"
    return settings.jobs_database_url.get_secret_value()


def postgres_address(settings: Settings) -> str:
    """Address of the PostgreSQL of the settings, as SQLAlchemy wants it."""
    assert settings.jobs_database_url is not None
    return _DRIVER + settings.jobs_database_url.get_secret_value().removeprefix(POSTGRESQL)
