"""A PostgreSQL of the tests' own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/postgresql")
USER = "postgres"


def programs() -> Path:
    """Folder of initdb and pg_ctl, or a loud skip."""
    folders = sorted(DEBIAN.glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    if not folders:
        pytest.skip("PostgreSQL is not installed (no initdb on the path or in /usr/lib/postgresql)")
    return folders[0]


@dataclass(frozen=True)
class Cluster:
    """A cluster of its own, on a socket in a temporary folder."""

    url: str
    stop: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster during a ``with`` block, or a loud skip."""
    folder = programs()
    place = Path(subprocess.check_output(["mktemp", "-d", "/tmp/pg.XXXXXX"], text=True).strip())  # sockets: short path
    as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    if as_user:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        shutil.chown(place, USER)

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, folder / program, *arguments], check=True, capture_output=True, cwd="/", timeout=60)

    def start() -> None:
        options = f"-k {place} -c listen_addresses= -c fsync=off"
        run("pg_ctl", "-D", str(place / "data"), "-o", options, "-l", str(place / "log"), "-w", "start")

    def stop() -> None:
        run("pg_ctl", "-D", str(place / "data"), "-m", "immediate", "-w", "stop")

    try:
        run("initdb", "-D", str(place / "data"), "-U", USER, "-A", "trust", "--no-sync")
        start()
        yield Cluster(f"postgresql://{USER}@/postgres?host={place}", stop, start)
    finally:
        if (place / "data" / "postmaster.pid").exists():
            stop()
        shutil.rmtree(place, ignore_errors=True)
