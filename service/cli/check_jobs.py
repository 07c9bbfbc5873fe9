"""``emoserve check`` of what jobs need: a place to write to, and their database."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from service.cli.check_result import Check, tried
from service.settings import Settings


def job_checks(settings: Settings) -> Iterator[Check]:
    """Try folders and database, and leave nothing there; what a running service has there is not touched."""
    if not settings.jobs:
        yield Check("jobs", ok=True, detail="switched off")
        return
    yield tried("jobs", lambda: _try(settings))


def _try(settings: Settings) -> str:
    folders = list(dict.fromkeys([settings.state_dir, settings.spool_dir or settings.state_dir]))
    for folder in folders:
        _write_into(folder)
    written = f"{' and '.join(map(str, folders))} can be written to"
    if settings.jobs_database_url is None:
        return written
    _ask_database(settings)
    return f"{written}, the database answers"


def _write_into(folder: Path) -> None:
    """Write a file that has no name. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")


def _ask_database(settings: Settings) -> None:
    """Connect and ask for a number. Raises sqlalchemy.exc.SQLAlchemyError."""
    import sqlalchemy as sql

    from service.jobs.ledger import postgres_address

    engine = sql.create_engine(postgres_address(settings), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            connection.execute(sql.select(1))
    finally:
        engine.dispose()
