"""Snippets of the documents that people paste."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.shared_material import ROOT

DOCUMENTS = tuple(
    path
    for path in (*sorted(ROOT.glob("*.md")), ROOT / "client/README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.is_file()
)
_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}\S.*\n)(?: {4}.*\n)*")
_PROGRAM = re.compile(r"(?<![\w=])(emoserve(?:-export)?) ([^#;&>\n`]+)")


@dataclass(frozen=True)
class Block:
    """A piece of code in a document; an indented one is taken for shell."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(language: str) -> list[Block]:
    """All pieces in one language, in the order of reading."""
    return [block for path in DOCUMENTS for block in blocks_of(path) if block.language == language]


def blocks_of(path: Path) -> Iterator[Block]:
    """All pieces of one document."""
    text = path.read_text(encoding="utf-8")
    for found in _FENCED.finditer(text):
        yield Block(path, text[: found.start()].count("\n") + 1, found["language"], found["text"])
    outside = _FENCED.sub(lambda found: re.sub(r"[^\n]", "", found[0]), text)
    for found in _INDENTED.finditer(outside):
        code = re.sub(r"^ {4}", "", found[0], flags=re.MULTILINE)
        yield Block(path, outside[: found.start()].count("\n") + 1, "sh", code)


def curl_commands(block: Block) -> list[str]:
    """Its calls of curl, each as one line."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+# .*", "", line) for line in lines if line.startswith("curl ")]


@dataclass(frozen=True)
class Call:
    """A call of one of this project's programs.

    Attributes:
        is_whole: stands in a code block; in a sentence, what is not spoken of may be left out.
    """

    path: Path
    program: str
    arguments: str
    is_whole: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}: {self.program} {self.arguments}"


def program_calls() -> list[Call]:
    """All calls of this project's programs.

    What a document leaves open is filled in: the first of alternatives, options in brackets, one where there may be
    more.
    """
    calls = []
    for path in DOCUMENTS:
        shell = [(block.text, True) for block in blocks_of(path) if block.language == "sh"]
        spoken = [(text, False) for text in re.findall(r"(?<!`)`(emoserve[^`]+)`", path.read_text(encoding="utf-8"))]
        for text, is_whole in shell + spoken:
            for program, arguments in _PROGRAM.findall(text.replace("\\\n", " ")):
                calls.append(Call(path, program, _filled_in(arguments), is_whole))
    return calls


def _filled_in(arguments: str) -> str:
    text = re.sub(r"\[([^\]]*)\]", r"\1", arguments).replace(" …", " 1").replace("…", "")
    text = re.sub(r"\|(?:--)?[\w.-]+(?: [A-Z]+(?:\.\w+)?\b)?", "", text)
    return " ".join(re.sub(r"\bN\b", "1", text).split())
