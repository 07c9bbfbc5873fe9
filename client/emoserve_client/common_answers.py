"""Parts that several answers have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
Column = Sequence[float | None]
"""One value a row; None stands for what cannot be known."""


@dataclass(frozen=True)
class Media:
    """What was found in the file, before any conversion."""

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
        """Out of a JSON document."""
        return cls(
            raw["duration_s"],
            raw["container"],
            raw["codec"],
            *(raw.get(name) for name in ("sample_rate_hz", "channels", "frame_rate_hz", "width", "height")),
        )


@dataclass(frozen=True)
class AnsweringModel:
    """Which weights gave the answer."""

    name: str
    version: str
    sha256: str
    licence: str
    provider: str | None

    @classmethod
    def read(cls, raw: Document) -> AnsweringModel:
        """Out of a JSON document."""
        return cls(raw["name"], raw["version"], raw["sha256"], raw["licence"], raw.get("provider"))
