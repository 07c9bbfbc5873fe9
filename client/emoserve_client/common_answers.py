"""Parts that several answers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

Document = Mapping[str, Any]
Column = Sequence[float | None]
"""One value for each row; None stands for an unknown value."""


def members(record: type[Any], raw: Document, **read: object) -> dict[str, Any]:
    """Arguments of the dataclass ``record``: for each field the value in ``read``, else the member of ``raw``.

    The field 'raw' gets the document itself. A member may be missing if its field may be None.

    Raises:
        KeyError: a member is missing.
    """
    found = {"raw": raw, **read}
    for field in fields(record):
        if field.name not in found:
            found[field.name] = raw.get(field.name) if str(field.type).endswith("| None") else raw[field.name]
    return {field.name: found[field.name] for field in fields(record)}


@dataclass(frozen=True)
class Record:
    """A part of an answer, read from JSON."""

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document; members that are not known are passed over."""
        return cls(**members(cls, raw))

    @classmethod
    def read_if_there(cls, raw: Document | None) -> Self | None:
        """Read a JSON document; None stays None."""
        return None if raw is None else cls.read(raw)


@dataclass(frozen=True)
class Media(Record):
    """Properties of the file before any conversion; None where they do not apply."""

    duration_s: float
    container: str
    codec: str
    sample_rate_hz: int | None
    channels: int | None
    frame_rate_hz: float | None
    width: int | None
    height: int | None


@dataclass(frozen=True)
class AnsweringModel(Record):
    """Model whose weights gave the answer."""

    name: str
    version: str
    sha256: str
    licence: str
    provider: str | None
