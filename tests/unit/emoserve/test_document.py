"""The document of the Python interface runs as it stands, piece by piece, on this project's models."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared_material import ROOT
from tests.support.documents import blocks
from tests.support.live_server import HANG_S

PIECES = [block.text for block in blocks("python") if block.path == ROOT / "docs/python.md"]


def test_the_document_runs(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    samples = [sys.executable, str(ROOT / "docs/examples/samples.py"), str(tmp_path)]
    subprocess.run(samples, check=True, timeout=HANG_S)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings/one.wav").write_bytes((tmp_path / "talk.wav").read_bytes())
    (tmp_path / "recordings/two.wav").write_bytes(b"no recording")
    assert len(PIECES) > 5
    command = [sys.executable, "-c", "\n".join(PIECES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "container_unsupported" in lines[-1]
    (refused,) = [line for line in lines if line.startswith("two.wav ")]
    assert refused.removeprefix("two.wav ") == lines[-1].removeprefix("container_unsupported ")
    assert "ge2e-open" in done.stdout
