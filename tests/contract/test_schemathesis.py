"""Schemathesis generates requests from the OpenAPI document, right and wrong ones, and holds every answer against it.

All of its checks are on, but for those that schemathesis.toml switches off for a call (``--checks all`` would switch
them on again). Credentials are required (so that ignoring them would be found), and are drawn by no case: beside the
key that every request has, they would be refused before the rest is looked at. Its phases are the coverage of each
constraint, fuzzing, and chains of calls.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shared_material import ROOT
from tests.support.credentials import add_key
from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer, small_settings
from tests.support.tiny_services import serving_with_jobs
from tests.tiny_models import write_speech_bundle, write_voice_bundle

MIN_HOP_S = 5e-324
"""The shortest hop is a setting, which the document does not know: here all are long enough."""


def run(live: LiveServer, key: str, folder: Path, *options: str) -> None:
    """Run it on every address; fails with its report."""
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(ROOT / "tests/contract/schemathesis.toml"),
    ]
    command += ["run", f"{live.url}/openapi.json", "--header", f"X-API-Key:{key}", "--no-color"]
    command += ["--phases", "coverage,fuzzing,stateful", "--warnings", "off", *options]
    command += ["--suppress-health-check", "filter_too_much"]
    known = {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")}  # its tables of characters take seconds to make
    environment = os.environ | known | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    requests = live.request_lines()
    assert {line["status"] for line in requests} >= {200, 400, 401, 404, 405, 422}
    assert not [line for line in requests if line["status"] == 500]
    assert (live.services.uploads.uploads, live.services.work.unfinished) == (0, 0)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return add_key(tmp_path / "keys.json", scopes=("admin",))


def test_every_answer_is_as_documented(tmp_path: Path, key: str) -> None:
    """With models that take any bytes, so that every shape of success is seen too."""
    with serving_any_bytes(tmp_path) as live:
        run(live, key, tmp_path, "--max-examples", "5", "--seed", "1")


@contextmanager
def serving_any_bytes(folder: Path) -> Iterator[LiveServer]:
    """A server whose models and jobs take any bytes; credentials are required."""
    limits = {"min_hop_s": MIN_HOP_S}
    with serving_jobs(folder / "state", keys_file=folder / "keys.json", limits=limits, max_jobs=1000) as server:
        yield server.live


@pytest.fixture
def tiny(tmp_path: Path, key: str) -> Iterator[LiveServer]:
    """The real decoder and pipeline with tiny models of speech and the real ones of faces."""
    write_speech_bundle(tmp_path / "models")
    write_voice_bundle(tmp_path / "models")
    for bundle in ("models/affect-prior", "models/action-units-468", "var/models/mediapipe-faces"):
        shutil.copytree(ROOT / bundle, tmp_path / "models" / Path(bundle).name)
    settings = small_settings(
        model_dirs=[tmp_path / "models"],
        device="cpu",
        keys_file=tmp_path / "keys.json",
        jobs=True,
        state_dir=tmp_path / "state",
        max_jobs=1000,
    )
    with serving_with_jobs(settings) as live:
        yield live


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_answer_of_the_whole_service_is_as_documented(tmp_path: Path, key: str, tiny: LiveServer) -> None:
    """Hundreds of examples an address; random bytes are no recording, so success is not asked for."""
    run(tiny, key, tmp_path, "--exclude-checks", "positive_data_acceptance", "--max-examples", "300")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_answers_are_as_documented(tmp_path: Path, key: str) -> None:
    with serving_any_bytes(tmp_path) as live:
        run(live, key, tmp_path, "--max-examples", "500")
