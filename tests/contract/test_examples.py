"""The examples of docs/examples run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_audio_stream import tiny_services
from tests.plain_wav import tone, wav
from tests.support.fake_jobs import JobServer, serving_jobs
from tests.support.live_server import LiveServer, serving, small_settings
from tests.tiny_models import write_speech_bundle

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    with serving(small_settings()) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """What is sent; the service behind it makes up its answers."""
    contents = {"talk.wav": b"RIFF....", "talk.mp4": b"\0\0\0\x18ftyp", "units.csv": b"frame,timestamp"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run(["sh", str(EXAMPLES / "curl.sh"), live.url, *files.values()], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "emotion.png").read_bytes().startswith(b"\x89PNG")
    assert b'"attribution"' in (tmp_path / "affect.json").read_bytes()
    assert b'"resourceType":"Bundle"' in (tmp_path / "affect.fhir.json").read_bytes()
    assert "channel,start_s" in done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_fails_when_the_service_refuses(live: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    done = run(["sh", str(EXAMPLES / "curl.sh"), live.url, *["empty"] * 3], tmp_path)
    assert done.returncode != 0
    assert '"code":"media_empty"' in done.stdout


def test_python_with_the_client(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "python_client.py"), live.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{files['talk.wav']}: " in done.stdout
    assert " s to " in done.stdout


def test_python_with_httpx(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "python_httpx.py"), live.url, files["talk.mp4"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("arousal mean ")
    assert "flags: " in done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_javascript(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    script = str(EXAMPLES / "javascript.mjs")
    done = run(["node", script, live.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "empty.wav").touch()
    refused = run(["node", script, live.url, str(tmp_path / "empty.wav")], tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("media_empty: ")
    assert "result anger" in done.stdout


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    with serving_jobs(tmp_path_factory.mktemp("jobs") / "state") as server:
        yield server


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_job_with_curl(jobs: JobServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run(["sh", str(EXAMPLES / "curl_job.sh"), jobs.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"state":"succeeded"' in done.stdout
    assert "channel,start_s" in done.stdout
    assert "event: result" in done.stdout


def test_a_job_with_the_client(jobs: JobServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "python_job.py"), jobs.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["100%", "anger"]
    (tmp_path / "bad.wav").write_bytes(b"invalid")
    failed = run([sys.executable, str(EXAMPLES / "python_job.py"), jobs.url, str(tmp_path / "bad.wav")], tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.strip() == "failed: media_invalid"


def test_a_live_stream_with_the_client(tmp_path: Path) -> None:
    write_speech_bundle(tmp_path / "models")
    settings = small_settings(model_dirs=[tmp_path / "models"], device="cpu")
    (tmp_path / "talk.wav").write_bytes(wav(tone(2.0, 44_100), tone(2.0, 44_100), rate_hz=44_100))
    with serving(settings, tiny_services(settings)) as server:
        done = run([sys.executable, str(EXAMPLES / "python_stream.py"), server.url, "talk.wav"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "0.0 s to 1.0 s",
        "0.5 s to 1.5 s",
        "1.0 s to 2.0 s",
    ]


def test_every_example_has_a_test() -> None:
    tests = "".join(
        (ROOT / "tests/contract" / name).read_text() for name in ("test_examples.py", "test_stream_page.py")
    )
    loaded = (EXAMPLES / "stream.html").read_text() + (EXAMPLES / "stream.js").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name in tests + loaded, f"{path.name} is run by no test"
