"""The table of jobs in SQLite or PostgreSQL: states and keys of the files, never a result.

Each change of state is one statement that matches only permitted states before it, so no lock is needed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from service.jobs.job import UNFINISHED, Job, JobState, options_text, read_options, states_before
from service.settings import POSTGRESQL, KeyLimits, Settings

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
    sql.Column("callback", sql.Text),
    sql.Column("callback_tries", sql.Integer),
    sql.Column("callback_due_s", sql.Float(53)),
    sql.Column("holder", sql.String(32)),
    sql.Column("lease", sql.Integer),
    sql.Column("leased_s", sql.Float(53)),
    sql.Column("next_step", sql.String(64)),
)


_ANY = sql.true()


class IdempotencyTakenError(Exception):
    """Another job has the same idempotency key."""


def sqlite_engine(path: Path) -> sql.Engine:
    """Database engine for a SQLite file; deleted rows are overwritten with zeros.

    One connection stays open. Others are opened while several threads ask at once, and closed then.
    """
    path.touch(mode=0o600)
    engine = sql.create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=-1)

    @sql.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
        for pragma in ("secure_delete=ON", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


SCHEMA_LOCK: Final = int.from_bytes(b"emotable", "big", signed=True)
"""Number of the advisory lock under which tables are made."""


@contextmanager
def schema_changes(engine: sql.Engine) -> Iterator[sql.Connection]:
    """A connection that makes tables in a ``with`` block; services that share a PostgreSQL do so one after another."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
        yield connection


class Ledger:
    """The table of jobs, made if it does not exist. Thread-safe. ``clock`` gives seconds since the Unix epoch."""

    def __init__(self, engine: sql.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        with schema_changes(engine) as connection:
            _METADATA.create_all(connection)
            _add_new_columns(connection)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def add(self, job: Job) -> None:
        """Add a new job. Raises IdempotencyTakenError if another job has its idempotency key."""
        values = {column.name: getattr(job, column.name) for column in JOBS.columns if column.name != "options"}
        values |= {"state": job.state.value, "options": options_text(job.options)}
        values["key_limits"] = None if job.key_limits is None else job.key_limits.model_dump_json()
        try:
            with self._engine.begin() as connection:
                connection.execute(JOBS.insert().values(values))
        except IntegrityError:
            raise IdempotencyTakenError from None

    def find(self, handle: str) -> Job | None:
        """The job with this handle, if there is one."""
        found = self._select(JOBS.c.handle == handle)
        return found[0] if found else None

    def find_idempotent(self, idempotency: str) -> Job | None:
        """The job with this idempotency key, if there is one."""
        found = self._select(JOBS.c.idempotency == idempotency)
        return found[0] if found else None

    def all(self) -> list[Job]:
        """Every job, oldest first."""
        return self._select(sql.true())

    def page(self, caller: str, before: tuple[float, str] | None, count: int) -> list[Job]:
        """At most ``count`` jobs of ``caller``, newest first.

        Args:
            before: time and handle of a job; it and newer ones are left out.
        """
        place = sql.tuple_(JOBS.c.created_s, JOBS.c.handle)
        where = JOBS.c.caller == caller
        if before is not None:
            where &= place < before
        return self._read(
            JOBS.select().where(where).order_by(JOBS.c.created_s.desc(), JOBS.c.handle.desc()).limit(count)
        )

    def unfinished(self, caller: str | None = None) -> int:
        """Number of jobs that wait or run, of ``caller`` or of all."""
        asked = sql.select(sql.func.count()).select_from(JOBS).where(JOBS.c.state.in_([*UNFINISHED]))
        if caller is not None:
            asked = asked.where(JOBS.c.caller == caller)
        with self._engine.connect() as connection:
            return int(connection.scalar(asked) or 0)

    def unfinished_by_state(self) -> dict[JobState, int]:
        """Numbers of jobs that wait and that run."""
        asked = sql.select(JOBS.c.state, sql.func.count()).where(JOBS.c.state.in_([*UNFINISHED]))
        with self._engine.connect() as connection:
            return {JobState(state): int(count) for state, count in connection.execute(asked.group_by(JOBS.c.state))}

    def take_due_callbacks(self, count: int, hold_s: float) -> list[Job]:
        """At most ``count`` jobs that have ended and whose callback is to be told now, the longest due first.

        Nobody else gets them within ``hold_s``; after that, whoever asks.
        """
        due_s = sql.func.coalesce(JOBS.c.callback_due_s, JOBS.c.finished_s)
        has_ended = JOBS.c.state.not_in([*UNFINISHED])
        where = JOBS.c.callback.is_not(None) & has_ended & (due_s <= self._clock())
        due = self._read(JOBS.select().where(where).order_by(due_s).limit(count))
        return [job for job in due if self._hold_callback(job, hold_s)]

    def _hold_callback(self, job: Job, hold_s: float) -> bool:
        is_the_same = JOBS.c.callback_due_s.is_not_distinct_from(job.callback_due_s) & JOBS.c.callback.is_not(None)
        return self._update(job.handle, {"callback_due_s": self._clock() + hold_s}, is_the_same)

    def put_off_callback(self, handle: str, tries: int, due_s: float) -> None:
        """Store that a callback was not told in so many attempts, and when to try again."""
        self._update(handle, {"callback_tries": tries, "callback_due_s": due_s})

    def end_callback(self, handle: str) -> None:
        """Forget the address of a callback that was told, or given up."""
        self._update(handle, {"callback": None})

    def start(self, handle: str, lease: int | None = None) -> bool:
        """Mark a job as running; False if it is already, and then its first start stays."""
        return self._move(handle, JobState.RUNNING, {"started_s": self._clock()}, _under(lease))

    def note_step(self, handle: str, progress: float, next_step: str, lease: int | None = None) -> bool:
        """Store the share of the work that is done, and the next step; False if another process has the job now."""
        return self._update(handle, {"progress": progress, "next_step": next_step}, _under(lease))

    def succeed(self, handle: str, result_key: bytes, lease: int | None = None) -> bool:
        """Mark a job as succeeded, store the result's key and destroy the job's; False if it had ended or moved."""
        values = {"result_key": result_key, "job_key": None, "progress": 1.0, "finished_s": self._clock()}
        return self._move(handle, JobState.SUCCEEDED, values, _under(lease))

    def fail(self, handle: str, problem_code: str, lease: int | None = None) -> bool:
        """Mark a job as failed and destroy its key; False if it had ended or moved."""
        values = {"problem_code": problem_code, "job_key": None, "finished_s": self._clock()}
        return self._move(handle, JobState.FAILED, values, _under(lease))

    def cancel(self, handle: str) -> bool:
        """Mark a job as cancelled and destroy its key; False if it had finished."""
        return self._move(handle, JobState.CANCELLED, {"job_key": None, "finished_s": self._clock()})

    def expire(self, handle: str) -> bool:
        """Mark a job as expired and destroy its keys; False if there was nothing to destroy."""
        finished_s = sql.func.coalesce(JOBS.c.finished_s, self._clock())
        return self._move(handle, JobState.EXPIRED, {"job_key": None, "result_key": None, "finished_s": finished_s})

    def forget(self, handle: str) -> None:
        """Delete a job's row."""
        with self._engine.begin() as connection:
            connection.execute(JOBS.delete().where(JOBS.c.handle == handle))

    def _update(self, handle: str, values: dict[str, Any], where: sql.ColumnElement[bool] = _ANY) -> bool:
        with self._engine.begin() as connection:
            return connection.execute(JOBS.update().where(JOBS.c.handle == handle, where).values(values)).rowcount == 1

    def _move(
        self, handle: str, state: JobState, values: dict[str, Any], where: sql.ColumnElement[bool] = _ANY
    ) -> bool:
        before = [one.value for one in states_before(state)]
        return self._update(handle, {"state": state.value, **values}, JOBS.c.state.in_(before) & where)

    def _select(self, where: sql.ColumnElement[bool]) -> list[Job]:
        return self._read(JOBS.select().where(where).order_by(JOBS.c.created_s))

    def _read(self, asked: sql.Select[Any]) -> list[Job]:
        with self._engine.connect() as connection:
            rows = connection.execute(asked).mappings().all()
        return [read_job(dict(row)) for row in rows]


def _add_new_columns(connection: sql.Connection) -> None:
    """Add columns that the table of an earlier release lacks; they are empty for its jobs."""
    there = {column["name"] for column in sql.inspect(connection).get_columns(JOBS.name)}
    for column in JOBS.columns:
        if column.name not in there:
            kind = column.type.compile(connection.dialect)
            connection.execute(sql.text(f"ALTER TABLE {JOBS.name} ADD COLUMN {column.name} {kind}"))


def _under(lease: int | None) -> sql.ColumnElement[bool]:
    """Whether a job is still under ``lease``."""
    return JOBS.c.lease.is_not_distinct_from(lease)


def read_job(row: dict[str, Any]) -> Job:
    """A job from its row."""
    kind, limits = row.pop("kind"), row["key_limits"]
    row["key_limits"] = None if limits is None else KeyLimits.model_validate_json(limits)
    options, knows_options = read_options(kind, row["options"])
    return Job(**{**row, "state": JobState(row["state"]), "options": options}, knows_options=knows_options)


_DRIVER = "postgresql+psycopg://"


def open_ledger(settings: Settings, clock: Callable[[], float]) -> Ledger:
    """Open the table of jobs: in SQLite in the state folder, or in the PostgreSQL of the settings.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
    """
    if settings.jobs_database_url is None:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Ledger(sqlite_engine(settings.state_dir / "jobs.sqlite"), clock)
    return Ledger(sql.create_engine(postgres_address(settings), pool_pre_ping=True), clock)


def postgres_address(settings: Settings) -> str:
    """SQLAlchemy address of the PostgreSQL of the settings."""
    assert settings.jobs_database_url is not None
    return _DRIVER + settings.jobs_database_url.get_secret_value().removeprefix(POSTGRESQL)
