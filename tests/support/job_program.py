"""The whole service as a program of its own, to be killed and started again over the same state folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from benchmarks.server import address_of
from tests.shared_material import ROOT
from tests.support.patience import HANG_S, wait_until

NO_JOB = "x" * 27


@dataclass
class JobProgram:
    """Runs between ``with`` and its end, or :meth:`kill`.

    Attributes:
        state_dir: of the service.
        model_dirs: JSON list of folders of bundles.
        settings: more of ``EMOSERVE_…``, without that prefix, in upper case.
    """

    state_dir: Path
    model_dirs: str
    settings: dict[str, str] = field(default_factory=dict)
    url: str = ""
    process: subprocess.Popen[str] | None = None
    http: httpx.Client = field(default_factory=httpx.Client)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log_path(self) -> Path:
        return self.state_dir.parent / "service.log"

    def start(self) -> Self:
        """Start it and wait until it takes jobs."""
        self.start_without_jobs()
        self.wait(lambda: self.http.get(f"{self.url}/v1/jobs/{NO_JOB}").status_code == 404)
        return self

    def start_without_jobs(self) -> None:
        """Start it and wait until it is ready."""
        names = {"PORT": "0", "STATE_DIR": str(self.state_dir), "MODEL_DIRS": self.model_dirs, "DEVICE": "cpu"}
        environment = {f"EMOSERVE_{name}": value for name, value in (names | self.settings).items()}
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.url = address_of(self.process)
        except RuntimeError as failure:
            failure.add_note(self.log_path.read_text())
            raise

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def submit(self, kind: str, body: bytes, **parameters: str) -> str:
        """Address of a new job; while the service takes no jobs, it is tried again."""
        ends_s = time.monotonic() + HANG_S
        while True:
            answer = self.http.post(f"{self.url}/v1/jobs/{kind}", params=parameters, content=body)
            if answer.status_code == 202:
                return answer.headers["location"]
            assert answer.json()["code"] == "jobs_unavailable", answer.text
            assert time.monotonic() < ends_s
            time.sleep(float(answer.headers["retry-after"]) / 10)

    def state(self, address: str) -> dict:
        return self.http.get(self.url + address).json()

    def finished(self, address: str) -> dict:
        """The job after its end; the service may refuse to tell of it for a while."""
        ended = ("succeeded", "failed", "cancelled", "expired")
        self.wait(lambda: self.state(address).get("state") in ended)
        return self.state(address)

    def result(self, address: str, accept: str = "application/json") -> httpx.Response:
        headers = {"accept": accept, "x-request-id": "same"}
        return self.http.get(f"{self.url}{address}/result", headers=headers)

    def wait(self, condition: Callable[[], bool]) -> None:
        try:
            wait_until(condition)
        except AssertionError:
            raise AssertionError(self.log_path.read_text()) from None

    def _end(self, number: int) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        status = process.wait(HANG_S)
        assert process.stdout is not None
        process.stdout.close()
        return status


def team(tmp_path: Path, models: str, settings: dict[str, str], count: int) -> list[JobProgram]:
    """Services that share database and spool, each with a state folder of its own."""
    folders = [tmp_path / f"service-{number}" for number in range(count)]
    for folder in folders:
        folder.mkdir()
    return [JobProgram(folder / "state", models, settings) for folder in folders]
