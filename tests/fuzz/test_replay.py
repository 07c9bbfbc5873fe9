"""The committed corpus through every target: seeds of our own making, and whatever fuzzing has found."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, try_input

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(CORPUS.glob("*/*"))
MAX_FILES, MAX_BYTES = 20, 2048


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_some_of_its_inputs_and_fails_at_none(name: str) -> None:
    refusals = {path.name: try_input(name, path.read_bytes()) for path in FILES if path.parent.name == name}
    assert "" in refusals.values(), refusals


def test_the_corpus_is_small_and_every_target_has_one() -> None:
    assert {path.parent.name for path in FILES} == set(TARGETS)
    for name in TARGETS:
        files = list((CORPUS / name).iterdir())
        assert 3 <= len(files) <= MAX_FILES
        assert max(path.stat().st_size for path in files) <= MAX_BYTES


def test_inputs_beside_the_corpus() -> None:
    """Every file through every target, cut at several places: parsers must take what was meant for others."""
    taken = 0
    for path in FILES:
        data = path.read_bytes()
        for name in TARGETS:
            for stop in range(0, len(data), max(len(data) // 8, 1)):
                taken += not try_input(name, data[:stop])
    assert taken
