"""``emoserve analyze --embedding`` and ``--denoise``, with stand-ins for the models; ``check`` with real tiny ones."""

import csv
import sys
from pathlib import Path

import pytest

from service.__main__ import main
from tests.support.fakes import FakeEngine
from tests.tiny_models import write_denoiser_bundle, write_embedding_bundle, write_speech_bundle

Captured = pytest.CaptureFixture[str]


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    for name, content in {"a.wav": b"good", "b.wav": b"mute", "c, d.wav": b"good"}.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def test_one_file(engine: FakeEngine, folder: Path, capsys: Captured) -> None:
    flags = ["--embedding-model", "example", "--hop-s", "0.5", "--denoise", "--channel", "left"]
    assert main(["analyze", str(folder / "a.wav"), "--embedding", str(folder / "out.csv"), *flags]) == 0
    rows = rows_of(folder / "out.csv")
    assert rows[0] == ["start_s", "end_s", "e0", "e1", "e2"]
    assert len(rows) == 4
    judged, embedded = engine.pipeline.options
    assert judged.denoise
    assert embedded.denoise
    assert (judged.model, embedded.model) == (None, "example")
    assert (embedded.hop_s, embedded.channel) == (0.5, "left")
    assert "Not a diagnosis" in capsys.readouterr().out


def test_several_files_are_named_and_failures_told(engine: FakeEngine, folder: Path, capsys: Captured) -> None:
    assert main(["analyze", str(folder), "--embedding", str(folder / "out.csv"), "--channel", "each"]) == 1
    rows = rows_of(folder / "out.csv")
    assert rows[0][:4] == ["file", "channel", "start_s", "end_s"]
    assert {len(row) for row in rows} == {7}
    assert [row[0] for row in rows[1:]] == [str(folder / "a.wav")] * 6 + [str(folder / "c, d.wav")] * 6
    assert capsys.readouterr().err == f"{folder / 'b.wav'}: media_invalid: This cannot be embedded.\n"


@pytest.mark.parametrize("paths", [["-"], ["a.wav", "--mode", "table"]])
def test_what_cannot_be_embedded_is_refused(
    engine: FakeEngine, folder: Path, paths: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(["analyze", *paths, "--embedding", "out.csv"]) == 2
    assert "--embedding" in capsys.readouterr().err
    assert not (folder / "out.csv").exists()


def test_recordings_are_not_overwritten(engine: FakeEngine, folder: Path) -> None:
    wav = folder / "a.wav"
    assert main(["analyze", str(wav), "--embedding", str(wav)]) == 2
    assert wav.read_bytes() == b"good"


def test_check_tries_embedding_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    write_speech_bundle(tmp_path)
    write_embedding_bundle(tmp_path)
    write_denoiser_bundle(tmp_path)
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", f'["{tmp_path}"]')
    monkeypatch.setenv("EMOSERVE_DEVICE", "cpu")
    assert main(["check"]) == 0, sys.stderr
    assert "ok    model tiny-embedding/1: ran; 2 dimensions" in capsys.readouterr().out
