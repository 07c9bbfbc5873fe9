"""``emoserve analyze --ray``: the parts of a run without Ray, judged by actors of a cluster on this machine."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from service.__main__ import main
from tests.plain_wav import tone, wav
from tests.shared_material import ROOT
from tests.support.fakes import FakeEngine


def rows(folder: Path, pattern: str) -> list[dict[str, Any]]:
    found = [row for part in folder.glob(pattern) for row in parquet.read_table(part).to_pylist()]
    return sorted(found, key=lambda row: row["file"])


def bulk(models: Path, output: Path, *arguments: object) -> str:
    """Judge recordings in a process of its own, where one is bad; returns what it said."""
    command = [sys.executable, "-m", "service", "analyze", "--format", "parquet", "--output", output]
    flags = ["--model-dir", models, "--device", "cpu"]
    done = subprocess.run(
        [*map(str, [*command, *flags, *arguments])], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_run_goes_on_with_ray_to_the_parts_of_a_run_without(tiny_models: Path, tmp_path: Path) -> None:
    recordings = tmp_path / "talks"
    recordings.mkdir()
    for number in range(4):
        (recordings / f"a{number}.wav").write_bytes(wav(tone(2.0 + number, amplitude=0.3, hz=100.0 + 40 * number)))
    (recordings / "bad.ogg").write_bytes(b"a text")
    bulk(tiny_models, tmp_path / "plain", recordings)
    bulk(tiny_models, tmp_path / "ray", recordings / "a1.wav", recordings / "bad.ogg")
    said = bulk(tiny_models, tmp_path / "ray", recordings, "--ray", "--workers", "2", "--resume")
    assert "4 of 4 recordings" in said
    assert len(rows(tmp_path / "ray", "voice-*")) == 4
    for pattern in ("voice-*", "failed*"):
        assert rows(tmp_path / "ray", pattern) == rows(tmp_path / "plain", pattern)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.wav", "--ray"], "--ray writes the parts"),
        (["x.wav", "--ray", "--format", "parquet", "--output", "out", "--plot", "x.png"], "--ray writes the parts"),
        (["-", "--ray", "--format", "parquet", "--output", "out"], "no standard input"),
    ],
)
def test_flags_that_do_not_go_together(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["analyze", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_ray_one_line_says_what_to_install(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["analyze", "--ray", "--format", "parquet", "--output", str(tmp_path / "out"), "x.wav"]) == 2
    assert "pip install 'emoserve[ray]'" in capsys.readouterr().err
