"""Markers for tables of hostile rows, and the addresses that such rows are sent to."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest


def numbered(names: Iterable[str]) -> list[Any]:
    """Parameters of a test, each marked with the row that its name begins with, such as ``'12 text part'``."""
    parameters = []
    for name in names:
        number = name.partition(" ")[0]
        marks = [pytest.mark.hostile_row(int(number))] if number.isdigit() else []
        parameters.append(pytest.param(name, id=name, marks=marks))
    return parameters


@dataclass(frozen=True)
class UploadRoute:
    """An address that takes an upload, the media type of a raw body there, and the status of success."""

    path: str
    raw_type: str = "audio/wav"
    success: int = 200


UPLOAD_ROUTES = (
    UploadRoute("/v1/audio/emotion"),
    UploadRoute("/v1/audio/embedding"),
    UploadRoute("/v1/video/affect", "video/mp4"),
    UploadRoute("/v1/action-units/affect", "text/csv"),
)
"""Every address that takes a file and answers with the result."""

FILES_ROUTE = UploadRoute("/v1/profiles")
"""The address that takes several files."""


def resident_bytes() -> int:
    """Memory of this process."""
    return psutil.Process().memory_info().rss


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
