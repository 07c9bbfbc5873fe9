"""Reading FlatBuffers, by hand since the publisher's reader takes offsets beyond a damaged file without an error.

A buffer begins with the offset of its root table and a four-character identifier. A table begins with the
signed distance back to its vtable, which gives the place of each field inside the table, zero for a field
that is absent. Strings, vectors and tables hang below a field by an unsigned relative offset. Source: the
FlatBuffers internals page of the publisher. All numbers are little-endian. Nothing outside the buffer is ever
read.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

IDENTIFIER_OFFSET = 4
IDENTIFIER_LENGTH = 4
OFFSET_BYTES = 4
VTABLE_HEADER_BYTES = 4
VTABLE_ENTRY_BYTES = 2


class FlatBufferError(ValueError):
    """The bytes are not the FlatBuffer they were taken for, or point outside themselves."""


def _unpack(buffer: bytes, layout: str, position: int) -> Any:  # noqa: ANN401 - the layout decides the type
    """One number at ``position``, or :class:`FlatBufferError` where that lies outside the buffer."""
    if position < 0:
        raise FlatBufferError("an offset points before the beginning of the file")
    try:
        return struct.unpack_from("<" + layout, buffer, position)[0]
    except struct.error:
        raise FlatBufferError("an offset points beyond the end of the file") from None


@dataclass(frozen=True)
class Table:
    """One table of a FlatBuffer. Fields are addressed by their number in the schema, starting at 0."""

    buffer: bytes
    position: int

    def _field(self, number: int) -> int | None:
        """Absolute position of field ``number``, or None where the writer left it out."""
        vtable = self.position - _unpack(self.buffer, "i", self.position)
        entry = VTABLE_HEADER_BYTES + VTABLE_ENTRY_BYTES * number
        if entry + VTABLE_ENTRY_BYTES > _unpack(self.buffer, "H", vtable):
            return None
        offset = _unpack(self.buffer, "H", vtable + entry)
        return self.position + offset if offset else None

    def _target(self, number: int) -> int | None:
        """Absolute position of what field ``number`` refers to."""
        field = self._field(number)
        return None if field is None else field + _unpack(self.buffer, "I", field)

    def number(self, field: int, layout: str, default: int = 0) -> int:
        """Scalar field; ``layout`` is a :mod:`struct` character such as ``b`` (int8) or ``i`` (int32)."""
        position = self._field(field)
        return default if position is None else _unpack(self.buffer, layout, position)

    def table(self, field: int) -> "Table | None":
        """Table below ``field``."""
        target = self._target(field)
        return None if target is None else Table(self.buffer, target)

    def vector(self, field: int, dtype: DTypeLike) -> NDArray[Any]:
        """Vector of numbers below ``field``, read-only [length]; empty where the field is absent."""
        kind = np.dtype(dtype)
        target = self._target(field)
        if target is None:
            return np.zeros(0, kind)
        length = _unpack(self.buffer, "I", target)
        begin = target + OFFSET_BYTES
        if begin + length * kind.itemsize > len(self.buffer):
            raise FlatBufferError("a vector runs beyond the end of the file")
        return np.frombuffer(self.buffer, kind, length, begin)

    def tables(self, field: int) -> "list[Table]":
        """Vector of tables below ``field``; empty where the field is absent."""
        target = self._target(field)
        if target is None:
            return []
        begin = target + OFFSET_BYTES
        offsets = self.vector(field, np.uint32)
        return [Table(self.buffer, begin + OFFSET_BYTES * i + int(offset)) for i, offset in enumerate(offsets)]

    def text(self, field: int) -> str:
        """String below ``field``; empty where the field is absent."""
        try:
            return self.vector(field, np.uint8).tobytes().decode("utf-8")
        except UnicodeDecodeError:
            raise FlatBufferError("a string is not UTF-8") from None


def root_table(buffer: bytes, identifier: bytes) -> Table:
    """Root table of ``buffer``.

    Raises:
        FlatBufferError: the file is of another kind than ``identifier`` says.
    """
    if buffer[IDENTIFIER_OFFSET : IDENTIFIER_OFFSET + IDENTIFIER_LENGTH] != identifier:
        raise FlatBufferError(f"the file is not marked {identifier.decode('ascii')}")
    return Table(buffer, _unpack(buffer, "I", 0))
