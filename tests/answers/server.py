"""The service as a process of its own, started from this working tree by its command line."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.server import address_of
from tests.answers.material import ROOT

START_TIMEOUT_S = 120.0
JOB_SEGMENT_S = 20.0
"""Seconds of media in a segment of a job: short, so that jobs of a minute have several."""


def environment(state_folder: Path) -> dict[str, str]:
    """The environment of the service and of its commands: none of the caller's settings, one thread, no GPU."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EMOSERVE_")}
    return inherited | {
        "EMOSERVE_DEVICE": "cpu",
        "EMOSERVE_THREADS": "1",
        "EMOSERVE_DECODE_WORKERS": "1",
        "EMOSERVE_STATE_DIR": str(state_folder),
        "EMOSERVE_JOB_SEGMENT_S": str(JOB_SEGMENT_S),
        "EMOSERVE_LOG_LEVEL": "warning",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }


@contextmanager
def running_server() -> Iterator[str]:
    """Start the service on a free port; gives its address, and stops it in the end.

    Raises:
        RuntimeError: it ended, or was not ready within :data:`START_TIMEOUT_S`.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve", "--port", "0"],
                cwd=ROOT,
                env=environment(Path(folder, "state")),
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
            )
            try:
                address = address_of(process, START_TIMEOUT_S)
                _wait_until_jobs_are_taken(address)
                yield address
            except RuntimeError as failure:
                failure.add_note(log.read_text()[-4000:])
                raise
            finally:
                process.terminate()
                try:
                    process.communicate(timeout=60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()


def run_command(arguments: list[str], state_folder: Path, standard_input: bytes | None = None) -> tuple[int, str, str]:
    """Run ``python -m service`` with ``arguments``; gives exit status, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env=environment(state_folder),
        input=standard_input or b"",
        capture_output=True,
        timeout=START_TIMEOUT_S,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def _wait_until_jobs_are_taken(address: str) -> None:
    """Jobs start after the rest: until then every job is 503."""
    ends_s = time.monotonic() + START_TIMEOUT_S
    while httpx.get(f"{address}/v1/jobs/unknown", timeout=START_TIMEOUT_S).status_code != 404:
        if time.monotonic() > ends_s:
            raise RuntimeError("the service takes no jobs")
        time.sleep(0.1)
