"""Answers as JSON trees that are the same for two runs of the same work: no ids, times, hosts and folders."""

import csv
import io
import json
import re
from typing import Any

import cv2
import numpy as np

_VOLATILE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"https?://127\.0\.0\.1:\d+"), "<host>"),
    (re.compile(r"/v1/jobs/[A-Za-z0-9_-]{20,}"), "/v1/jobs/<id>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
)
_CODE_SYSTEM = "5b0f6a52-6d0e-5f0a-9a0d-3f3c3d0f6e11"
"""The name space of the project's own FHIR codes, which is no random id."""

_VOLATILE_MEMBERS = frozenset(
    {"request_id", "submitted_at", "started_at", "finished_at", "expires_at", "retry_after_s"}
)
_SAMPLED = re.compile(r"(?:E|L|U|-?\d+(?:\.\d+)?)(?: (?:E|L|U|-?\d+(?:\.\d+)?))+")
PLOT_COLUMNS, PLOT_ROWS = 32, 20


def tree(value: Any, folder: str | None = None) -> Any:
    """A JSON value without what changes from run to run. ``folder`` is the one that holds the inputs."""
    if isinstance(value, dict):
        return {
            text(key, folder): f"<{key}>" if key in _VOLATILE_MEMBERS and item is not None else tree(item, folder)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [tree(item, folder) for item in value]
    if isinstance(value, str):
        return _numbers(value) if _SAMPLED.fullmatch(value) else text(value, folder)
    return value


def text(value: str, folder: str | None = None) -> str:
    """A string with place holders for ids, times, hosts and the folder of inputs."""
    if folder is not None:
        value = value.replace(folder, "<folder>")
    if _CODE_SYSTEM in value:
        return value
    for pattern, place_holder in _VOLATILE:
        value = pattern.sub(place_holder, value)
    return value


def table(content: str, folder: str | None = None) -> dict[str, Any]:
    """CSV by columns; cells that are numbers as numbers, empty ones as null."""
    rows = list(csv.reader(io.StringIO(content)))
    if not rows:
        return {"columns": [], "rows": 0}
    header, *body = rows
    columns = {name: [_cell(row[place], folder) for row in body] for place, name in enumerate(header)}
    return {"columns": header, "rows": len(body), "values": columns}


def plot(content: bytes) -> dict[str, Any]:
    """A PNG as its size and its mean grey levels 0…255 on a coarse grid."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    height, width = picture.shape
    coarse = cv2.resize(picture.astype(np.float32), (PLOT_COLUMNS, PLOT_ROWS), interpolation=cv2.INTER_AREA)
    return {"width": width, "height": height, "grey": np.round(coarse, 2).tolist()}


def events(content: str, folder: str | None = None) -> dict[str, Any]:
    """Server-sent events: what they say, without how it was cut into messages and how often progress was told."""
    found = [_event(block) for block in content.replace("\r\n", "\n").split("\n\n") if _event(block)[0]]
    shares = [data["progress"] for kind, data in found if kind == "progress"]
    rest = [(kind, data) for kind, data in found if kind not in ("progress", "affect", "state")]
    return {
        "progress_increases": shares == sorted(shares) and all(0 <= share <= 1 for share in shares),
        "kinds": sorted({kind for kind, _ in found} - {"progress"}),
        "states": list(dict.fromkeys(data["state"] for kind, data in found if kind == "state"))[-1:],
        "affect": joined([data for kind, data in found if kind == "affect"]),
        "events": [{"event": kind, "data": tree(data, folder)} for kind, data in rest],
    }


def joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of columns put one behind the other, as long as their other members agree."""
    whole: list[dict[str, Any]] = []
    for message in messages:
        fixed = {key: value for key, value in message.items() if not isinstance(value, list)}
        columns = {key: list(value) for key, value in message.items() if isinstance(value, list)}
        for earlier in whole:
            if {key: value for key, value in earlier.items() if not isinstance(value, list)} == fixed:
                for key, value in columns.items():
                    earlier[key] += value
                break
        else:
            whole.append(fixed | columns)
    return whole


def _event(block: str) -> tuple[str, Any]:
    lines = [line.partition(":") for line in block.splitlines() if not line.startswith(":")]
    members = {name: value.strip() for name, _, value in lines}
    return members.get("event", ""), json.loads(members.get("data", "null"))


def _numbers(sampled: str) -> list[float | str]:
    return [item if item in "ELU" else float(item) for item in sampled.split(" ")]


def _cell(content: str, folder: str | None) -> Any:
    if not content:
        return None
    try:
        return float(content)
    except ValueError:
        return text(content, folder)
