"""Recording: every case asked of one running service, one JSON file an answer."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.answers import compare
from tests.answers.calls import TIMEOUT_S, carry_out
from tests.answers.cases import CASES, is_golden
from tests.answers.server import running_server

GOLDEN_FOLDER = Path(__file__).resolve().parent / "golden"


def record(folder: Path, only: str = "") -> int:
    """Write the answers of all cases into ``folder``; returns how many could not be asked.

    Args:
        folder: made where it is not there; files of cases that are asked are replaced.
        only: a part of the names of those that are asked; empty for all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begun_s, missing = time.monotonic(), []
    with running_server() as address, httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
        chosen = [case for case in CASES if only in case.name]
        for case in chosen:
            asked_s = time.monotonic()
            try:
                answer = carry_out(case, client)
            except FileNotFoundError as error:
                missing.append(f"{case.name}: {error}")
                continue
            (folder / f"{case.name}.json").write_text(written(answer), encoding="utf-8")
            print(f"{time.monotonic() - asked_s:6.2f} s  {case.name}", file=sys.stderr)
    for line in missing:
        print(f"not recorded, set EMOSERVE_SHARED: {line}", file=sys.stderr)
    print(f"{len(chosen) - len(missing)} answers in {time.monotonic() - begun_s:.0f} s, in {folder}")
    return len(missing)


def record_golden() -> None:
    """Write the goldens anew: the answers that need no shared material, without sentences for people."""
    GOLDEN_FOLDER.mkdir(exist_ok=True)
    for path in GOLDEN_FOLDER.glob("*.json"):
        path.unlink()
    with running_server() as address, httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
        for case in filter(is_golden, CASES):
            answer = carry_out(case, client)
            (GOLDEN_FOLDER / f"{case.name}.json").write_text(compact(answer), encoding="utf-8")
    files = list(GOLDEN_FOLDER.glob("*.json"))
    print(f"{len(files)} goldens, {sum(path.stat().st_size for path in files) // 1024} KiB, in {GOLDEN_FOLDER}")


def written(answer: dict[str, Any]) -> str:
    """An answer as the text of its file."""
    return json.dumps(answer, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def compact(answer: dict[str, Any]) -> str:
    """A golden as the text of its file: one line."""
    return json.dumps(wordless(answer), sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"


def wordless(value: Any) -> Any:
    """A JSON value without the members that hold sentences for people."""
    if isinstance(value, dict):
        return {key: wordless(item) for key, item in value.items() if key not in compare.WORDING}
    return [wordless(item) for item in value] if isinstance(value, list) else value
