"""Every row has a test, every marker names a row, and the document says so."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.hostile.index import ROOT
from tests.hostile.rows import CHAOS, JOBS, ROWS, STREAMS

_PRINT = "import json; from tests.hostile.index import *; f = collect(); print(json.dumps([list(f), document(f)]))"


def test_every_row_has_a_test_and_the_document_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, "-c", _PRINT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    marked, page = json.loads(done.stdout)
    assert list(ROWS) == list(range(1, 80))
    assert set(marked) == set(ROWS) | set(CHAOS) | set(STREAMS) | set(JOBS)
    assert (ROOT / "docs/hostile_inputs.md").read_text() == page, "python -m tests.hostile.index says otherwise"
