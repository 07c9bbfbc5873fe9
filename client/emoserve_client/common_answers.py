"""Parts that several answers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
Column = Sequence[float | None]
"""One value for each row; None stands for an unknown value."""


@dataclass(frozen=True)
class Media:
    """Properties of the file before any conversion; None where they do not apply."""

    duration_s: float
    container: str
    codec: str
    sample_rate_hz: int | None
    channels: int | None
    frame_rate_hz: float | None
    width: int | None
    height: int | None

    @classmethod
    def read(cls, raw: Document) -> Media:
        """Read a JSON document."""
        return cls(
            raw["duration_s"],
            raw["container"],
            raw["codec"],
            *(raw.get(name) for name in ("sample_rate_hz", "channels", "frame_rate_hz", "width", "height")),
        )


@dataclass(frozen=True)
class AnsweringModel:
    """Model whose weights gave the answer."""

    name: str
    version: str
    sha256: str
    licence: str
    provider: str | None

    @classmethod
    def read(cls, raw: Document) -> AnsweringModel:
        """Read a JSON document."""
        return cls(raw["name"], raw["version"], raw["sha256"], raw["licence"], raw.get("provider"))
