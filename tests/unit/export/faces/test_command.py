import subprocess
import sys
from pathlib import Path

import pytest

from export.__main__ import main


def run(*words: str) -> int:
    return main(list(words))


def test_a_wrong_file_ends_with_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "face_landmarker.task"
    wrong.write_bytes(b"corrupt")
    assert run("faces", "--task", str(wrong), "--out", str(tmp_path / "out")) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "not the published" in error
    assert not (tmp_path / "out").exists()


def test_task_and_wheel_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("faces", "--task", "a", "--wheel", "b")
    assert "not allowed with" in capsys.readouterr().err


def test_an_existing_bundle_is_kept_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("1", "2"):
        folder = tmp_path / "mediapipe-faces" / version
        folder.mkdir(parents=True)
        (folder / "card.json").write_text("{}")
    assert run("faces", "--if-missing", "--out", str(tmp_path)) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "mediapipe-faces" / "2")


def test_missing_training_data_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("action-units", "--data", str(tmp_path), "--out", str(tmp_path)) == 1
    assert "synth478.npz" in capsys.readouterr().err


def test_the_face_bundle_needs_no_offline_dependency() -> None:
    program = (
        "import sys; import export.cli.faces, export.faces.bundle; "
        "print(sorted({'torch', 'scipy', 'sklearn', 'librosa', 'onnxruntime'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
