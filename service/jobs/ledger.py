"""The table of jobs, in SQLite or PostgreSQL: what clients are told, and the keys of the files. Never a result.

Every change of state is one statement that holds only in the states before it, so it needs no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from service.jobs.job import Job, options_text, read_options
from service.jobs.states import UNFINISHED, JobState, states_before
from service.settings import KeyLimits

_METADATA = sql.MetaData()
JOBS = sql.Table(
    "emoserve_jobs",
    _METADATA,
    sql.Column("handle", sql.String(32), primary_key=True),
    sql.Column("id", sql.String(64), nullable=False),
    sql.Column("caller", sql.String(255), nullable=False),
    sql.Column("kind", sql.String(32), nullable=False),
    sql.Column("options", sql.Text, nullable=False),
    sql.Column("size_bytes", sql.BigInteger, nullable=False),
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("progress", sql.Float, nullable=False),
    sql.Column("created_s", sql.Float(53), nullable=False),
    sql.Column("started_s", sql.Float(53)),
    sql.Column("finished_s", sql.Float(53)),
    sql.Column("problem_code", sql.String(64)),
    sql.Column("job_key", sql.LargeBinary),
    sql.Column("result_key", sql.LargeBinary),
    sql.Column("idempotency", sql.String(64), unique=True),
    sql.Column("request_digest", sql.String(64)),
    sql.Column("key_limits", sql.Text),
)


class IdempotencyTakenError(Exception):
    """Another job has the same idempotency key."""


def sqlite_engine(path: Path) -> sql.Engine:
    """An engine for a SQLite file in which what is deleted is overwritten."""
    path.touch(mode=0o600)
    engine = sql.create_engine(f"sqlite:///{path}")

    @sql.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
        for pragma in ("secure_delete=ON", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class Ledger:
    """Thread-safe.

    Args:
        engine: of the database; the table is made if it is not there.
        clock: seconds of the Unix epoch.
    """

    def __init__(self, engine: sql.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        _METADATA.create_all(engine)
        self._add_new_columns()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def add(self, job: Job) -> None:
        """Write a new job down.

        Raises:
            IdempotencyTakenError
        """
        values = {column.name: getattr(job, column.name) for column in JOBS.columns if column.name != "options"}
        values |= {"state": job.state.value, "options": options_text(job.options)}
        values["key_limits"] = None if job.key_limits is None else job.key_limits.model_dump_json()
        try:
            with self._engine.begin() as connection:
                connection.execute(JOBS.insert().values(values))
        except IntegrityError:
            raise IdempotencyTakenError from None

    def find(self, handle: str) -> Job | None:
        """The job of that handle."""
        found = self._select(JOBS.c.handle == handle)
        return found[0] if found else None

    def find_idempotent(self, idempotency: str) -> Job | None:
        """The job of that idempotency key."""
        found = self._select(JOBS.c.idempotency == idempotency)
        return found[0] if found else None

    def all(self) -> list[Job]:
        """Every job, oldest first."""
        return self._select(sql.true())

    def unfinished(self, caller: str | None = None) -> int:
        """How many jobs wait or run, all or a caller's."""
        asked = sql.select(sql.func.count()).select_from(JOBS).where(JOBS.c.state.in_([*UNFINISHED]))
        if caller is not None:
            asked = asked.where(JOBS.c.caller == caller)
        with self._engine.connect() as connection:
            return int(connection.scalar(asked) or 0)

    def unfinished_by_state(self) -> dict[JobState, int]:
        """How many jobs wait, and how many run."""
        asked = sql.select(JOBS.c.state, sql.func.count()).where(JOBS.c.state.in_([*UNFINISHED]))
        with self._engine.connect() as connection:
            return {JobState(state): int(count) for state, count in connection.execute(asked.group_by(JOBS.c.state))}

    def start(self, handle: str) -> bool:
        """Note that a job runs; one that ran before keeps its first start, and False tells so."""
        return self._move(handle, JobState.RUNNING, {"started_s": self._clock()})

    def note_progress(self, handle: str, progress: float) -> None:
        """Note the share that is done and written down."""
        with self._engine.begin() as connection:
            connection.execute(JOBS.update().where(JOBS.c.handle == handle).values(progress=progress))

    def succeed(self, handle: str, result_key: bytes) -> bool:
        """Note the key of the result, and destroy that of the rest."""
        values = {"result_key": result_key, "job_key": None, "progress": 1.0, "finished_s": self._clock()}
        return self._move(handle, JobState.SUCCEEDED, values)

    def fail(self, handle: str, problem_code: str) -> bool:
        """Note why a job failed, and destroy its key."""
        values = {"problem_code": problem_code, "job_key": None, "finished_s": self._clock()}
        return self._move(handle, JobState.FAILED, values)

    def cancel(self, handle: str) -> bool:
        """Note that a job was cancelled, and destroy its key; False if it had finished."""
        return self._move(handle, JobState.CANCELLED, {"job_key": None, "finished_s": self._clock()})

    def expire(self, handle: str) -> bool:
        """Destroy every key of a job whose time is over; False if there was nothing to destroy."""
        finished_s = sql.func.coalesce(JOBS.c.finished_s, self._clock())
        return self._move(handle, JobState.EXPIRED, {"job_key": None, "result_key": None, "finished_s": finished_s})

    def forget(self, handle: str) -> None:
        """Delete a job's row."""
        with self._engine.begin() as connection:
            connection.execute(JOBS.delete().where(JOBS.c.handle == handle))

    def _add_new_columns(self) -> None:
        """Add what an earlier release's table lacks; its jobs have nothing there."""
        there = {column["name"] for column in sql.inspect(self._engine).get_columns(JOBS.name)}
        with self._engine.begin() as connection:
            for column in JOBS.columns:
                if column.name not in there:
                    kind = column.type.compile(self._engine.dialect)
                    connection.execute(sql.text(f"ALTER TABLE {JOBS.name} ADD COLUMN {column.name} {kind}"))

    def _move(self, handle: str, state: JobState, values: dict[str, Any]) -> bool:
        before = [one.value for one in states_before(state)]
        statement = JOBS.update().where(JOBS.c.handle == handle, JOBS.c.state.in_(before))
        with self._engine.begin() as connection:
            return connection.execute(statement.values(state=state.value, **values)).rowcount == 1

    def _select(self, where: sql.ColumnElement[bool]) -> list[Job]:
        with self._engine.connect() as connection:
            rows = connection.execute(JOBS.select().where(where).order_by(JOBS.c.created_s)).mappings().all()
        return [_job(dict(row)) for row in rows]


def _job(row: dict[str, Any]) -> Job:
    kind, limits = row.pop("kind"), row["key_limits"]
    row["key_limits"] = None if limits is None else KeyLimits.model_validate_json(limits)
    return Job(**{**row, "state": JobState(row["state"]), "options": read_options(kind, row["options"])})
