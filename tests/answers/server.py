"""The service as a process of its own, started from this working tree by its command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

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
        port = _free_port()
        log = Path(folder, "log.txt")
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve", "--port", str(port)],
                cwd=ROOT,
                env=environment(Path(folder, "state")),
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
            try:
                address = f"http://127.0.0.1:{port}"
                _wait_until_ready(process, address, log)
                yield address
            finally:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    ends_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends_s:
        if process.poll() is not None:
            raise RuntimeError(f"The service ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        try:
            # Jobs start after the rest: until then every job is 503.
            expected = {"/v2/health/ready": 200, "/v1/jobs/unknown": 404}
            if all(httpx.get(address + path, timeout=5).status_code == status for path, status in expected.items()):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"The service was not ready within {START_TIMEOUT_S} s:\n{log.read_text()[-4000:]}")
