"""Docstrings say what a thing is: none begins with a word that puts the thing off."""

import ast
import re
from collections.abc import Iterator

from tests.shared_material import ROOT
from tests.unit.project.test_layout import MODULES

PUT_OFF = re.compile(r"(Of|So|From|What|Which)\b")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string that stands alone: of modules, classes, functions and constants."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def test_strings_that_stand_alone_are_found():
    assert [line for line, _ in docstrings('"""One."""\nx = 1\n"""Two."""\n\ndef f():\n    """Three."""\n')] == [
        1,
        3,
        6,
    ]


def test_no_docstring_begins_with_a_word_that_puts_the_thing_off():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text[:60]}"
        for path in MODULES
        for line, text in docstrings(path.read_text(encoding="utf-8"))
        if PUT_OFF.match(text.strip())
    ]
    assert not found
