"""Many recordings: lists of them, several at once, and Parquet parts that a later run goes on with."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from service.__main__ import main
from service.cli import parts
from service.pipeline.face.neutral import FaceProfile
from service.pipeline.speech.profile import VoiceProfile
from service.problems import MediaInvalid
from service.schemas.profile import profile_document
from tests.support.example_results import example_result
from tests.support.fakes import FakeEngine, face_bundles


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    """a0.wav … a4.wav, and bad.ogg, which cannot be judged."""
    for number in range(5):
        (tmp_path / f"a{number}.wav").write_bytes(b"good %d" % number)
    (tmp_path / "bad.ogg").write_bytes(b"invalid")
    return tmp_path


def bulk(folder: Path, *flags: str) -> int:
    return main(["analyze", "--format", "parquet", "--output", str(folder / "out"), str(folder), *flags])


def rows(folder: Path, pattern: str = "voice-*.parquet") -> list[dict[str, Any]]:
    return [row for part in sorted((folder / "out").glob(pattern)) for row in parquet.read_table(part).to_pylist()]


def test_a_row_a_recording(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bulk(folder) == 1
    found = rows(folder)
    answer = example_result()
    assert [row["file"] for row in found] == [str(folder / f"a{number}.wav") for number in range(5)]
    assert found[0]["sha256"] == hashlib.sha256(b"good 0").hexdigest()
    for name, value in {
        "model": answer.model.name,
        "model_version": answer.model.version,
        "model_sha256": answer.model.sha256,
        "duration_s": answer.media.duration_s,
        "emotion": answer.channels[0].emotion,
    }.items():
        assert found[0][name] == value
    assert answer.channels[0].probabilities is not None
    assert [found[0][label] for label in answer.labels] == answer.channels[0].probabilities.tolist()
    assert rows(folder, "failed.parquet") == [
        {"file": str(folder / "bad.ogg"), "code": "media_invalid", "detail": MediaInvalid().detail}
    ]
    assert "6 of 6 recordings" in capsys.readouterr().err


def test_rows_of_windows_are_those_of_the_csv(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", "--csv", str(folder / "a0.wav")]) == 0
    lines = capsys.readouterr().out.splitlines()
    bulk(folder, "--timeline")
    found = [row for row in rows(folder) if row["file"].endswith("a0.wav")]
    assert len(found) == len(lines) - 1
    assert list(found[0])[5:] == lines[0].split(",")
    assert [f"{row['start_s']:g}" for row in found] == [f"{float(line.split(',')[1]):g}" for line in lines[1:]]


def test_faces_are_in_parts_of_their_own(engine: FakeEngine, folder: Path) -> None:
    engine.registry = type(engine.registry)(face_bundles(), ())
    (folder / "b.mp4").write_bytes(b"a face")
    bulk(folder)
    assert {row["file"] for row in rows(folder, "face-*.parquet")} == {str(folder / "b.mp4")}
    assert {"start_s", "time_s"} & rows(folder, "face-*.parquet")[0].keys()
    assert len(rows(folder)) == 5


def test_nothing_is_done_twice(engine: FakeEngine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_RECORDINGS", 2)
    bulk(folder)
    assert len(list((folder / "out").glob("voice-*.parquet"))) == 3
    seen = len(engine.pipeline.options)
    (folder / "a9.wav").write_bytes(b"good 9")
    (folder / "bad.ogg").write_bytes(b"good after all")
    assert bulk(folder, "--resume") == 0
    assert len(engine.pipeline.options) == seen + 2
    names = [row["file"] for row in rows(folder)]
    assert len(names) == len(set(names)) == 7
    assert not (folder / "out/failed.parquet").exists()


def test_an_interrupted_run_keeps_what_is_done(engine: FakeEngine, folder: Path) -> None:
    def interrupted(data: bytes, options: object) -> Any:
        if data == b"good 3":
            raise KeyboardInterrupt
        return example_result()

    engine.pipeline.answer = interrupted
    assert bulk(folder) == 130
    assert [row["file"][-6:] for row in rows(folder)] == ["a0.wav", "a1.wav", "a2.wav"]
    engine.pipeline.answer = lambda data, options: example_result()
    bulk(folder, "--resume")
    assert sorted(row["file"][-6:] for row in rows(folder)) == [f"a{number}.wav" for number in range(5)]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "holds parts already"),
        (["--resume", "--prior", "uniform"], "was made with other options, another profile or another model"),
    ],
)
def test_parts_of_another_run_are_left_alone(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    bulk(folder)
    before = rows(folder)
    capsys.readouterr()
    assert bulk(folder, *flags) == 2
    assert message in capsys.readouterr().err
    assert rows(folder) == before


@pytest.mark.parametrize("flag", ["--profile", "--neutral"])
def test_a_profile_is_its_content(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    """A run goes on with a profile that was moved, and not with one that was changed."""

    def write(count: int) -> list[str]:
        voice = VoiceProfile("0f" * 32, count, 61.4, np.zeros(12, np.float32))
        face = FaceProfile("0f" * 32, count, 478, np.zeros(17, np.float32))
        (folder / "me.json").write_text(profile_document(voice if flag == "--profile" else face).model_dump_json())
        return [flag, str(folder / "me.json")]

    bulk(folder, *write(20))
    (folder / "me.json").rename(folder / "moved.json")
    assert bulk(folder, "--resume", flag, str(folder / "moved.json")) == 1, "one recording is bad, as before"
    assert bulk(folder, "--resume", *write(21)) == 2
    assert "another profile" in capsys.readouterr().err


def test_foreign_parts_are_refused(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out/voice-00000.parquet").write_bytes(b"no parquet")
    assert bulk(folder, "--resume") == 2
    assert "not a part that this command wrote" in capsys.readouterr().err


def test_without_pyarrow_one_line_says_what_to_install(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert bulk(folder) == 2
    assert "pip install 'emoserve[parquet]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name recordings or folders"),
        (["x.wav", "--format", "parquet"], "name it with --output"),
        (["x.wav", "--resume"], "--resume goes on with the parts"),
    ],
)
def test_flags_that_do_not_go_together(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["analyze", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_list_names_recordings(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{folder / 'a1.wav'}\n\n{folder / 'a0.wav'}\n"
    (folder / "list.txt").write_text(text)
    for given in (str(folder / "list.txt"), "-"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        assert main(["analyze", "--json", "--files-from", given]) == 0
        said = [json.loads(line)["file"][-6:] for line in capsys.readouterr().out.splitlines()]
        assert said == ["a1.wav", "a0.wav"]
    assert main(["analyze", "--files-from", str(folder / "absent.txt")]) == 1
    assert "absent.txt: No such file" in capsys.readouterr().err


def test_workers_judge_at_once_and_answer_in_order(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    together = threading.Barrier(3, timeout=60)

    def answer(data: bytes, options: object) -> Any:
        if data in {b"good 0", b"good 1", b"good 2"}:
            together.wait()
        return example_result()

    engine.pipeline.answer = answer
    assert main(["analyze", "--json", "--workers", "3", str(folder)]) == 1
    output = capsys.readouterr()
    assert [json.loads(line)["file"][-6:] for line in output.out.splitlines()] == [f"a{n}.wav" for n in range(5)]
    assert "bad.ogg: media_invalid" in output.err
