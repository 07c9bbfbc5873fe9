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
