"""A job whose way can be disturbed, and settings of processes that share one PostgreSQL."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql
from pydantic import SecretStr

from service.jobs import engine, runner, spool
from service.settings import Settings
from tests.support import fake_jobs
from tests.support.live_server import small_settings
from tests.support.postgres import Cluster, running_cluster
from tests.tiny_models import write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.job_scene import Recording, Scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Scene]]:
    monkeypatch.setattr(fake_jobs, "SEGMENTS", 2)
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    monkeypatch.setattr(spool, "EncryptedReader", Recording)
    monkeypatch.setattr(runner, "FIRST_WAIT_S", 0.0)
    scenes: list[Scene] = []

    def begin(content: bytes = b"sound") -> Scene:
        Recording.opened, Recording.closed = [], []
        scenes.append(Scene(tmp_path / str(len(scenes))))
        monkeypatch.setattr(engine, "DBOS", scenes[-1].steps)
        scenes[-1].submit(content)
        return scenes[-1]

    yield begin
    for each in scenes:
        each.ledger.close()


LEASE_S = 1.5
"""Shorter than usual, and longer than a look takes on a busy machine."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def settings_of(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings of a process of that name, over tables of their own."""
    for place in ("leases.LEASE_S", "team.LEASE_S"):
        monkeypatch.setattr(f"service.jobs.{place}", LEASE_S)
    monkeypatch.setattr("service.jobs.team.LOOK_S", 0.1)
    with sql.create_engine(cluster.url.replace("postgresql", "postgresql+psycopg", 1)).begin() as connection:
        connection.execute(sql.text("DROP TABLE IF EXISTS emoserve_jobs, emoserve_holders"))

    def of(name: str, **changes: object) -> Settings:
        shared = {"jobs_database_url": SecretStr(cluster.url), "spool_dir": tmp_path / "spool", "jobs": True}
        return small_settings(**{"state_dir": tmp_path / name, "max_job_body_bytes": 10_000, **shared, **changes})

    return of


@pytest.fixture
def models(tmp_path: Path) -> str:
    """Small speech and voice models, as a setting."""
    write_speech_bundle(tmp_path / "models")
    write_voice_bundle(tmp_path / "models")
    return json.dumps([str(tmp_path / "models")])


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    """Settings of a service in a process of its own, on PostgreSQL."""
    return {
        "JOBS_DATABASE_URL": cluster.url,
        "SPOOL_DIR": str(tmp_path / "spool"),
        "SPOOL_KEY": "a secret of the operator, long enough",
        "JOB_SEGMENT_S": "4",
        "DECODE_WORKERS": "1",
    }
