"""The blocking half of the client is what the asynchronous half gives, and holds nothing asynchronous."""

import re
from pathlib import Path

import pytest
import unasync

MODULES = sorted(unasync.ASYNC.glob("*.py"))


@pytest.mark.parametrize("source", MODULES, ids=lambda source: source.name)
def test_the_committed_text_is_the_generated_one(source: Path) -> None:
    committed = (unasync.SYNC / source.name).read_text()
    assert committed == unasync.generated(source), "run 'make client'"
    first, rest = committed.split("\n", 1)
    assert first == f"# Generated from _async/{source.name} by client/unasync.py; do not edit."
    assert re.findall(r"(?i)\w*async\w*|\bawait\b|\banyio\b|\btasks?\b", rest) == []


def test_both_halves_have_the_same_modules() -> None:
    assert "client.py" in {source.name for source in MODULES}
    assert [path.name for path in MODULES] == sorted(path.name for path in unasync.SYNC.glob("*.py"))


def test_a_change_of_the_source_changes_the_generated_text(tmp_path: Path) -> None:
    source = tmp_path / "client.py"
    source.write_text("import asyncio\n\n\nasync def wait(lock: asyncio.Lock) -> None:\n    await lock.acquire()\n")
    assert unasync.generated(source).splitlines() == [
        "# Generated from _async/client.py by client/unasync.py; do not edit.",
        "import queue",
        "import threading",
        "",
        "",
        "def wait(lock: threading.Lock) -> None:",
        "    lock.acquire()",
    ]
