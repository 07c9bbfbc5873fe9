"""Leases of jobs in PostgreSQL: who works on which job, and which of those who do are alive.

A holder of leases beats every 1.5 s, by the clock of the database. Whoever has not done so for :data:`LEASE_S`
counts as gone, and others take its jobs. Each lease of a job has a number, and every write of its holder names that
number (:mod:`service.jobs.ledger`): one who stalled and wakes too late is refused, so it does no harm that it did not
know. dbos offers no such thing without its hosted Conductor: it tells no living executor from a dead one.
"""

import secrets
from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.dialects.postgresql import insert

from service.jobs.job import UNFINISHED, Job, read_options
from service.jobs.ledger import JOBS, read_job, schema_changes
from service.jobs.ownership import CONNECT_ARGUMENTS
from service.jobs.spool import Spool

LEASE_S: Final = 5.0
"""Seconds without a beat after which a holder counts as gone: several beats late, and jobs move within 10 s."""

FORGOTTEN_S: Final = 86_400.0
"""Seconds after which the row of a holder that is gone is deleted."""

PASSED_OVER: Final = 20
"""Most jobs that are left to services of a newer release, which know their options, before others."""

_METADATA = sql.MetaData()
HOLDERS = sql.Table(
    "emoserve_holders",
    _METADATA,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("beat_s", sql.Float(53), nullable=False),
    sql.Column("spool", sql.String(64), nullable=False),
    sql.Column("secret", sql.String(64), nullable=False),
)
_DATABASE = sql.Table("emoserve_database", _METADATA, sql.Column("id", sql.String(32), primary_key=True))
_UNFINISHED: Final = sql.or_(*(JOBS.c.state == state.value for state in UNFINISHED))
_INDEX: Final = sql.Index("emoserve_jobs_unfinished", JOBS.c.caller, JOBS.c.created_s, postgresql_where=_UNFINISHED)
_NOW: Final = sql.extract("epoch", sql.func.clock_timestamp())


class HolderRefusedError(Exception):
    """Other holders that are alive read other files, or with another key."""


class Leases:
    """The leases of one holder. Used by one thread at a time.

    Args:
        url: the database's SQLAlchemy address; the table of jobs exists.
        holder: name of this holder; no other that is alive has it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used; so do all methods.
    """

    def __init__(self, url: str, holder: str) -> None:
        self._holder = holder
        self._engine = sql.create_engine(
            url, pool_size=1, max_overflow=0, connect_args=CONNECT_ARGUMENTS, isolation_level="AUTOCOMMIT"
        )
        self._beat = _beat_of(holder, "", "")
        with schema_changes(self._engine.execution_options(isolation_level="READ COMMITTED")) as connection:
            _METADATA.create_all(connection)
            _INDEX.create(connection, checkfirst=True)
            found = connection.scalar(sql.select(_DATABASE.c.id))
            self._database = found or secrets.token_hex(16)
            if not found:
                connection.execute(_DATABASE.insert().values(id=self._database))

    def enter(self, folder: Spool, secret: str) -> None:
        """Count as alive from now on; what an earlier process under this name held is free.

        Args:
            secret: :meth:`service.jobs.keys.KeyWrap.fingerprint`.

        Raises:
            HolderRefusedError: another holder that is alive has another spool or secret, or the spool belongs to
                another database, whose jobs this one does not know and would delete.
        """
        if folder.database(self._database) != self._database:
            raise HolderRefusedError(
                "EMOSERVE_SPOOL_DIR belongs to another EMOSERVE_JOBS_DATABASE_URL: take an empty folder, or empty this "
                "one if that database is gone"
            )
        spool = folder.token()
        self._beat = _beat_of(self._holder, spool, secret)
        others = sql.select(HOLDERS).where(_is_alive(), HOLDERS.c.id != self._holder)
        with self._engine.connect() as connection:
            for other in connection.execute(others).mappings():
                if other["spool"] != spool:
                    raise HolderRefusedError("EMOSERVE_SPOOL_DIR is another folder than that of the other services")
                if other["secret"] != secret:
                    raise HolderRefusedError("EMOSERVE_SPOOL_KEY is another than that of the other services")
            connection.execute(HOLDERS.delete().where(HOLDERS.c.beat_s < _NOW - FORGOTTEN_S))
            self._free_own(connection)
        self.beat()

    def leave(self) -> None:
        """Free all jobs of this holder for others at once."""
        with self._engine.connect() as connection:
            self._free_own(connection)
            connection.execute(HOLDERS.delete().where(HOLDERS.c.id == self._holder))

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def beat(self) -> bool:
        """Stay alive; whether there are jobs that nobody works on who is alive, or that this holder has."""
        with self._engine.connect() as connection:
            return bool(connection.scalar(self._beat))

    def held(self) -> set[str]:
        """Handles of the unfinished jobs of this holder."""
        with self._engine.connect() as connection:
            return set(connection.scalars(sql.select(JOBS.c.handle).where(_UNFINISHED, JOBS.c.holder == self._holder)))

    def take(self, count: int, busy_with: Collection[str], *, from_gone: bool) -> list[Job]:
        """Take at most ``count`` jobs that nobody works on.

        Owners take turns: first comes whose fewest jobs run, then who was served longest ago; of one owner the oldest.

        Args:
            count: places for jobs.
            busy_with: handles of jobs that this holder works on, or has just lost.
            from_gone: whether to take those of holders that seem to be gone.
        """
        is_free = _is_free(self._holder, from_gone=from_gone) & JOBS.c.handle.not_in(busy_with)
        with self._engine.connect() as connection:
            asked = _in_turn(is_free, count + PASSED_OVER)
            found = [row for row in connection.execute(asked).all() if read_options(row.kind, row.options)[1]]
            taken = (self._take(connection, row.handle, row.lease) for row in found[:count])
            return [job for job in taken if job is not None]

    def _take(self, connection: sql.Connection, handle: str, lease: int | None) -> Job | None:
        """The job under its next lease; None where another was faster."""
        is_the_same = (JOBS.c.handle == handle) & JOBS.c.lease.is_not_distinct_from(lease)
        values = {"holder": self._holder, "lease": (lease or 0) + 1, "leased_s": _NOW}
        statement = JOBS.update().where(is_the_same, _UNFINISHED).values(values).returning(*JOBS.columns)
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else read_job(dict(row))

    def _free_own(self, connection: sql.Connection) -> None:
        connection.execute(JOBS.update().where(_UNFINISHED, JOBS.c.holder == self._holder).values(holder=None))


def _is_alive() -> sql.ColumnElement[bool]:
    return HOLDERS.c.beat_s >= _NOW - LEASE_S


def _is_free(holder: str, *, from_gone: bool) -> sql.ColumnElement[bool]:
    """Whether ``holder`` may take a job that it does not work on."""
    is_free = JOBS.c.holder.is_(None) | (JOBS.c.holder == holder)
    if from_gone:
        others = HOLDERS.alias()
        is_free |= ~sql.exists().where(others.c.id == JOBS.c.holder, others.c.beat_s >= _NOW - LEASE_S)
    return _UNFINISHED & is_free


def _beat_of(holder: str, spool: str, secret: str) -> sql.Executable:
    """The statement of a beat, made once: making it takes longer than running it."""
    values = {"beat_s": _NOW, "spool": spool, "secret": secret}
    entry = insert(HOLDERS).values(id=holder, **values)
    work = sql.exists().where(_is_free(holder, from_gone=True))
    return entry.on_conflict_do_update(index_elements=["id"], set_=values).returning(work)


def _in_turn(is_free: sql.ColumnElement[bool], count: int) -> sql.Select[Any]:
    """Handle, lease, kind and options of at most ``count`` jobs, in the order in which they come."""
    age = (JOBS.c.created_s, JOBS.c.handle)
    turn = sql.func.row_number().over(partition_by=JOBS.c.caller, order_by=age)
    waiting = sql.select(JOBS, turn.label("turn"))
    waiting_now = waiting.where(is_free).subquery()
    running = sql.func.count().filter(_UNFINISHED & ~is_free).label("running")
    served = sql.select(JOBS.c.caller, running, sql.func.max(JOBS.c.leased_s).label("served_s"))
    owners = served.group_by(JOBS.c.caller).subquery()
    return (
        sql.select(waiting_now.c.handle, waiting_now.c.lease, waiting_now.c.kind, waiting_now.c.options)
        .join(owners, owners.c.caller == waiting_now.c.caller)
        .order_by(
            waiting_now.c.turn + owners.c.running,
            owners.c.served_s.nulls_first(),
            waiting_now.c.created_s,
            waiting_now.c.handle,
        )
        .limit(count)
    )
