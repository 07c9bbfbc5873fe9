"""The running service answers to generated inputs as recorded; ``python -m tests.answers golden`` records anew."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.answers.calls import TIMEOUT_S, carry_out
from tests.answers.cases import CASES, Case, is_golden
from tests.answers.compare import compare_answers
from tests.answers.record import GOLDEN_FOLDER, compact, wordless
from tests.answers.server import running_server

TOLERANCE = 2e-4
"""Kernels of ONNX Runtime differ from one kind of CPU to another."""

GOLDEN_CASES = [case for case in CASES if is_golden(case)]
MAX_GOLDEN_BYTES = 240_000


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    with running_server() as address, httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
        yield client


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: case.name)
def test_an_answer_is_the_recorded_one(case: Case, service: httpx.Client):
    golden = json.loads((GOLDEN_FOLDER / f"{case.name}.json").read_text(encoding="utf-8"))
    answer = json.loads(compact(carry_out(case, service)))
    assert compare_answers(golden, answer, TOLERANCE).failures == []


def test_every_golden_belongs_to_a_case():
    assert {path.stem for path in GOLDEN_FOLDER.glob("*.json")} == {case.name for case in GOLDEN_CASES}


def test_goldens_are_small():
    assert 0 < sum(path.stat().st_size for path in GOLDEN_FOLDER.glob("*.json")) < MAX_GOLDEN_BYTES


def test_no_golden_is_a_fault_of_the_service():
    faults = [
        path.name for path in GOLDEN_FOLDER.glob("*.json") if "internal_error" in path.read_text(encoding="utf-8")
    ]
    assert set(faults) <= {"problems.json"}  # which lists every code


def test_names_of_cases_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


def test_goldens_hold_no_sentences():
    assert wordless({"code": "x", "detail": "words", "errors": [{"pointer": "/a", "title": "b"}]}) == {
        "code": "x",
        "errors": [{"pointer": "/a"}],
    }
