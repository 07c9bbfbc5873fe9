"""Jobs on a disk of their own that is really full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.jobs import spool
from service.jobs.spool import BALLAST_BYTES
from tests.support.job_server import JobServer, ended, serving_jobs, submit
from tests.support.live_server import wait_until

DISK = "4m"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of :data:`DISK`, or a loud skip."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts a file system of its own")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    """Write until not a byte fits any more."""
    with (folder / "filler").open("ab", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue


@pytest.fixture
def server(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobServer]:
    monkeypatch.setattr(spool, "RESERVE_BYTES", 0)
    with serving_jobs(disk / "state") as server:
        yield server


def is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free == 0


def test_no_file_of_the_folder_is_mapped(disk: Path, server: JobServer) -> None:
    """Whoever writes to a map on a full disk is ended by SIGBUS: SQLite must keep its journal in a file of its own."""
    with httpx.Client(base_url=server.url) as client:
        job = submit(client, b"gate" + bytes(300_000))
        wait_until(lambda: client.get(job).json()["progress"] > 0)
        maps = Path("/proc/self/maps").read_text()
        assert str(disk) not in maps
        assert list(disk.rglob("*.sqlite-shm")) == []
        assert client.delete(job).status_code == 204


@pytest.mark.parametrize("with_ballast", [True, False])
def test_a_full_disk_is_emptied_by_deleting_jobs(disk: Path, server: JobServer, with_ballast: bool) -> None:
    with httpx.Client(base_url=server.url) as client:
        done, waiting = submit(client, bytes(300_000)), submit(client, b"gate" + bytes(300_000))
        assert ended(client, done)["state"] == "succeeded"
        wait_until(lambda: client.get(waiting).json()["progress"] > 0)
        if not with_ballast:
            (disk / "state" / "ballast").unlink()
        fill(disk)
        assert is_full(disk)
        assert client.post("/v1/jobs/audio-emotion", content=b"sound").status_code == 507
        assert client.delete(waiting).status_code == 204
        assert client.delete(done).status_code == 204
        assert client.get(waiting).json()["state"] in ("cancelled", "failed")
        assert client.get(done).json()["state"] == "expired"
        assert client.get(f"{done}/result").status_code == 410
        assert not is_full(disk)
        assert server.jobs.spool.handles() == []


def test_the_ballast_is_laid_again(disk: Path, server: JobServer) -> None:
    with httpx.Client(base_url=server.url) as client:
        done = submit(client, bytes(100_000))
        ended(client, done)
        fill(disk)
        assert client.delete(done).status_code == 204
        (disk / "filler").unlink()
        another = submit(client)
        ended(client, another)
        assert client.delete(another).status_code == 204
        assert (disk / "state" / "ballast").stat().st_size == BALLAST_BYTES
