"""Generates the blocking half of the client by hand: unasync 0.6.0 (2024) changes tokens, but no docstrings or calls.

Usage, from the root of the repository: ``python client/unasync.py`` writes ``_sync`` from ``_async``.
"""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "emoserve_client"
ASYNC, SYNC = PACKAGE / "_async", PACKAGE / "_sync"

SUBSTITUTIONS = [
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        # Words of docstrings.
        (r"\basynchronous client\b", "blocking client"),
        (r"^\"\"\"Asynchronous half of the client, .*\"\"\"$", '"""Blocking half of the client."""'),
        (r"\ban (asynchronous|async) (context manager|with)\b", r"a \2"),
        (r"\bawait (:meth:)", r"call \1"),
        (r"\btasks may\b", "threads may"),
        (r"\bone task\b", "one thread"),
        # Libraries.
        (r"^import anyio\n", ""),
        (r"^import asyncio$", "import queue\nimport threading"),
        (r"\banyio\.sleep\b", "time.sleep"),
        (r"\basyncio\.Lock\b", "threading.Lock"),
        (r"\basyncio\.Queue\b", "queue.SimpleQueue"),
        (r"\basyncio\.wait_for\((\w+)\.recv\(\), (\w+)\)", r"\1.recv(\2)"),
        (r"\bwebsockets\.asyncio\b", "websockets.sync"),
        (r"\bemoserve_client\._async\b", "emoserve_client._sync"),
        # Methods and names.
        (r"\b__a(enter|exit|iter)__\b", r"__\1__"),
        (r"\ba(close|read|iter_bytes)\(", r"\1("),
        (r"\basync_pieces\b", "pieces"),
        (r"\bAsync(?=[A-Z])", ""),
        # Syntax.
        (r"\basync (?=def|for|with)", ""),
        (r"\bawait ", ""),
    )
]
"""Patterns and their replacements, applied to the whole text one after the other."""


def generated(source: Path) -> str:
    """Text of the blocking module that belongs to the asynchronous module ``source``.

    Ruff sorts its imports, writes ``yield from`` for the loops that only yield, and formats it.

    Raises:
        CalledProcessError: ruff is not installed, or the text is no Python.
    """
    text = source.read_text()
    for pattern, replacement in SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    header = f"# Generated from _async/{source.name} by client/unasync.py; do not edit.\n"
    return _ruff(
        ["format"], _ruff(["check", "--fix", "--unsafe-fixes", "--quiet", "--select", "I,UP028"], header + text)
    )


def _ruff(command: list[str], text: str) -> str:
    whole = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(SYNC / "module.py"), "-"]
    return subprocess.run(whole, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Write the blocking half anew."""
    for source in sorted(ASYNC.glob("*.py")):
        (SYNC / source.name).write_text(generated(source))


if __name__ == "__main__":
    main()
