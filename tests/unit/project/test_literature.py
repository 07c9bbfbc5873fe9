"""Every literature code that the project uses is explained in docs/literature.md."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import ROOT

PAGE = ROOT / "docs/literature.md"
FOLDERS = ("service", "emoserve", "export", "research", "docs", "models")
SUFFIXES = {".py", ".md", ".json"}

CODE = re.compile(r"(?<![\w#.-])([A-G])([1-9]\d?)(?![\w%])")
RANGE = re.compile(r"(?<![\w#.-])([A-G])([1-9]\d?)\s?(?:–|-|to|…)\s?\1?([1-9]\d?)(?![\w%])")

NOT_LITERATURE = re.compile(r"C0 and C1 control|clarity C50")
"""Control characters and a measure of room acoustics look like codes of paper C."""


def codes_in(text: str) -> Iterator[str]:
    """The codes of a text, those between the ends of a range such as A8–A17 included."""
    text = NOT_LITERATURE.sub("", text)
    for letter, first, last in RANGE.findall(text):
        yield from (f"{letter}{number}" for number in range(int(first), int(last) + 1))
    yield from (letter + number for letter, number in CODE.findall(text))


def files() -> list[Path]:
    """Files that may cite the literature."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    return sorted(path for path in found if path != PAGE and path.is_file())


def explained() -> list[str]:
    """The codes that begin a row of a table in the page."""
    return re.findall(r"^\| ([A-G]\d{1,2}) \| \S", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_code_is_explained():
    known = set(explained())
    missing = {
        f"{path.relative_to(ROOT)}: {code}"
        for path in files()
        for code in codes_in(path.read_text(encoding="utf-8"))
        if code not in known
    }
    assert missing == set()


def test_no_code_is_explained_twice():
    codes = explained()
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("(A8–A10, D3)", {"A8", "A9", "A10", "D3"}),
        ("E7 to E9", {"E7", "E8", "E9"}),
        ("C0 and C1 controls, clarity C50", set()),
        ("#A1B2C3, AU12, PM4-D1", set()),
    ],
)
def test_codes_are_told_from_other_words(text, codes):
    assert set(codes_in(text)) == codes


def test_codes_are_cited_at_all():
    cited = {code for path in files() for code in codes_in(path.read_text(encoding="utf-8"))}
    assert {"A7", "C14", "D13", "E20", "F18", "G8"} <= cited
