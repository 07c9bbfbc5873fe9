"""Index of the tests that hold each hostile row: ``python -m tests.hostile.index`` prints it as a document."""

import contextlib
import io
import sys

import pytest

from tests.hostile.rows import CHAOS, JOBS, ROWS, STREAMS
from tests.shared_material import ROOT

FOLDERS = [str(ROOT / "tests" / name) for name in ("hostile", "chaos")]
"""Folders whose tests may carry the markers: collecting all others as well would take long."""

MARKERS = ("hostile_row", "chaos_row", "stream_row", "job_row")

_OPTIONS = "--collect-only -q -p no:cacheprovider -p no:faulthandler"
"""Nothing that a run of pytest around this one would miss afterwards."""

_HEAD = """# Hostile inputs

What the service answers to broken and hostile input, row by row, and the tests that hold it to that. After every row
the service must still answer, and descriptors, threads and memory of the process must not grow. A row about uploads
holds for every address that takes one.

This page is printed by `python -m tests.hostile.index`; a test compares it. `make test` runs all of it,
`python -m pytest -m "hostile_row"` the table alone.
"""


class _Collector:
    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def collect() -> dict[int | str, list[str]]:
    """Number or name of a row → the test functions that carry its marker. Nothing is run."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        arguments = [*_OPTIONS.split(), "-m", " or ".join(MARKERS), *FOLDERS]
        status = pytest.main(arguments, plugins=[collector])
    if status:
        raise RuntimeError(said.getvalue())
    found: dict[int | str, list[str]] = {}
    for item in collector.items:
        name = item.nodeid.partition("[")[0]
        for marker in (each for name in MARKERS for each in item.iter_markers(name)):
            for row in marker.args:
                tests = found.setdefault(row, [])
                if name not in tests:
                    tests.append(name)
    return found


def document(found: dict[int | str, list[str]]) -> str:
    """The whole page."""
    lines = [_HEAD, "| row | input | answer | tests |", "|---|---|---|---|"]
    lines += [_line(str(number), *row, found.get(number, [])) for number, row in ROWS.items()]
    lines += ["", "## Streams", "", "| what | answer | tests |", "|---|---|---|"]
    lines += [_line(*row, found.get(name, [])) for name, row in STREAMS.items()]
    lines += ["", "## Jobs", "", "| what | answer | tests |", "|---|---|---|"]
    lines += [_line(*row, found.get(name, [])) for name, row in JOBS.items()]
    lines += ["", "## What breaks around a running process", "", "| what | answer | tests |", "|---|---|---|"]
    lines += [_line(*row, found.get(name, [])) for name, row in CHAOS.items()]
    return "\n".join(lines) + "\n"


def _line(*cells: str | list[str]) -> str:
    *texts, tests = cells
    shown = [f"`{test.removeprefix('tests/').replace('.py::', '::')}`" for test in tests]
    return f"| {' | '.join(str(text) for text in texts)} | {'<br>'.join(shown)} |"


if __name__ == "__main__":
    sys.stdout.write(document(collect()))
