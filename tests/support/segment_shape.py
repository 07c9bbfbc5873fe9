"""The members of what segments of jobs write down, so that no change of them goes without another ``SHAPE``."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from service.jobs.files import SHAPE, PartFiles
from service.jobs.spool import JobSpool

KNOWN: dict[str, dict[str, str]] = {
    "1": {
        "inspect": "3f883254e27b2996",
        "speech": "db2755cd0c7a4ee2",
        "faces": "a4e6223f4f3201f0",
        "turn": "63c7d2715633a621",
    },
    "2": {
        "inspect": "3f883254e27b2996",
        "speech": "e0146bada0eba9e8",
        "faces": "24fa760fe60ace68",
        "turn": "76c88216ece1e8e2",
    },
    "3": {
        "inspect": "3f883254e27b2996",
        "speech": "e0146bada0eba9e8",
        "faces": "24fa760fe60ace68",
        "turn": "76c88216ece1e8e2",
    },
    "4": {
        "inspect": "3f883254e27b2996",
        "speech": "e0146bada0eba9e8",
        "faces": "24fa760fe60ace68",
        "turn": "76c88216ece1e8e2",
        "cues": "f0eab0d818ea6773",
    },
    "5": {
        "inspect": "3f883254e27b2996",
        "speech": "8b5073019bffcb0c",
        "faces": "24fa760fe60ace68",
        "turn": "79771d7447da556a",
        "cues": "f0eab0d818ea6773",
    },
    "6": {
        "inspect": "3f883254e27b2996",
        "speech": "8b5073019bffcb0c",
        "faces": "24fa760fe60ace68",
        "turn": "79771d7447da556a",
        "cues": "965c53c38ce52a48",
    },
    "7": {
        "inspect": "3f883254e27b2996",
        "speech": "8b5073019bffcb0c",
        "faces": "f76a4bfc68ac2d63",
        "turn": "79771d7447da556a",
        "cues": "965c53c38ce52a48",
    },
}
"""Digests of the members of each part, and of the cues in its states, by shape.

A changed one needs a new number in ``service/jobs/files.py``.
"""


def members(value: Any) -> Any:
    """Names and kinds of all that ``value`` holds, and no content."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of {value.ndim}"
    if is_dataclass(value):
        return {field.name: members(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {"#" if name.isdecimal() else name: members(one) for name, one in sorted(value.items())}
    if isinstance(value, list | tuple):
        return sorted({json.dumps(members(one)) for one in value})
    return type(value).__name__


def assert_known(spool: JobSpool, parts: Sequence[str]) -> None:
    """Fail where the first record or the last state of a part has other members than those of its shape."""
    for part in parts:
        files = PartFiles(spool, part)
        count = len(list(files.records()))
        states = [files.state(number) for number in range(max(1, count - 1), count)]
        _compare(part, [members(files.record(0)), members(files.record(count - 1)), members(states)])


def assert_known_cues(state: dict[str, Any]) -> None:
    """Fail where what :class:`VoiceCues` writes down has other members than those of its shape."""
    _compare("cues", members(state))


def _compare(part: str, found: Any) -> None:
    text = json.dumps(found)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert KNOWN[SHAPE].get(part) == digest, f"{part} {digest}: {text}"
