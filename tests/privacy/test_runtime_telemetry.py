"""ONNX Runtime keeps no events of what it ran, which it would send to its maker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import HANG_S
from tests.tiny_models import write_speech_bundle

LOADS_AND_FAILS = """
import sys
from pathlib import Path
{first}
from service.pipeline.device.session import GraphError, Session
Session(Path(sys.argv[1]), device="cpu")
try:
    Session(b"CanaryPatientDoe1961", device="cpu")
except GraphError:
    print("refused")
"""


def files_left_behind(tmp_path: Path, *, first: str = "") -> list[str]:
    """Files that a process leaves in its user's folders after it loaded a model and failed to load another."""
    model = write_speech_bundle(tmp_path / "models") / "model.onnx"
    home = tmp_path / "home"
    home.mkdir()
    # Where CI is set, it keeps none anyway.
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_", "CI"))}
    done = subprocess.run(
        [sys.executable, "-c", LOADS_AND_FAILS.format(first=first), str(model)],
        env=variables | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.stdout == "refused\n", done.stderr
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_no_events_are_kept(tmp_path: Path):
    assert files_left_behind(tmp_path) == []


def test_events_would_be_kept_otherwise(tmp_path: Path):
    left = files_left_behind(tmp_path, first="import onnxruntime")
    if not left:
        pytest.skip("this build of ONNX Runtime keeps no events at all")
    assert any(name.endswith(".db") for name in left)
