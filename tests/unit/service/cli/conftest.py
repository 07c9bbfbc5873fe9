from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakes import FakeEngine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeEngine]:
    """A working engine; whatever a command opened must be closed again."""
    monkeypatch.setenv("EMOSERVE_STATE_DIR", str(tmp_path / "state"))
    engine = FakeEngine()
    engine.install(monkeypatch)
    yield engine
    engine.assert_closed()


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    """good.wav, sub/also.MP4, bad.ogg, and what must be passed over."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name, content in {
        "good.wav": b"good",
        "sub/also.MP4": b"good",
        "bad.ogg": b"invalid",
        "notes.txt": b"good",
        ".hidden/x.wav": b"invalid",
        "sub/._y.wav": b"invalid",
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path
