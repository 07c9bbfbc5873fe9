"""Every row has a test, every marker names a row, and the document says so."""

from tests.hostile.index import collect, document
from tests.hostile.rows import CHAOS, JOBS, ROWS, STREAMS
from tests.shared_material import ROOT


def test_every_row_has_a_test_and_the_document_is_up_to_date() -> None:
    marked = collect()
    page = document(marked)
    assert list(ROWS) == list(range(1, 84))
    assert set(marked) == set(ROWS) | set(CHAOS) | set(STREAMS) | set(JOBS)
    assert (ROOT / "docs/hostile_inputs.md").read_text() == page, "python -m tests.hostile.index says otherwise"
