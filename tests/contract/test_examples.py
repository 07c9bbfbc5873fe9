"""The examples of docs/examples run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_server import LiveServer, serving, small_settings

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
