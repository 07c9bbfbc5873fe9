"""The outline of a long file: its headers at their places in otherwise empty memory, enough to detect its kind."""

from __future__ import annotations

import mmap
import struct
from typing import Final

from service.pipeline.decoding.remote_file import ByteSource
from service.problems import MediaInvalid

HEAD_BYTES: Final = 1024 * 1024
"""Bytes copied from the beginning of every file; the headers of WAV, FLAC, Ogg and WebM lie within."""

MAX_INDEX_BYTES: Final = 64 * 1024 * 1024
"""Largest index of an MP4 file; half a day at 30 frames a second has about 20 MiB."""

MAX_PARTS: Final = 65_536
"""Most boxes on the outermost level of an MP4 file."""

_HEADER_BYTES: Final = 32
_ID3_HEADER_BYTES: Final = 10
_AFTER_TAG_BYTES: Final = 64 * 1024


def outline(source: ByteSource) -> memoryview:
    """Memory of the size of ``source``, filled only where bytes tell its kind and structure.

    Untouched pages cost no memory.

    Raises:
        MediaInvalid: the index is larger than that of any real recording.
    """
    if not len(source):
        return memoryview(b"")
    view = memoryview(mmap.mmap(-1, len(source), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    head = _copy(source, view, 0, HEAD_BYTES)
    if head[:3] == b"ID3":
        _copy(source, view, _tag_end(head), _AFTER_TAG_BYTES)
    elif len(head) >= 8 and head[4:8].isalnum() and head[:4] != b"RIFF":
        _copy_boxes(source, view)
    return view


def _copy(source: ByteSource, view: memoryview, start: int, size: int) -> bytes:
    content = source.read(start, max(0, min(size, len(source) - start)))
    view[start : start + len(content)] = content
    return content


def _tag_end(head: bytes) -> int:
    size = 0
    for byte in head[6:_ID3_HEADER_BYTES]:
        size = size << 7 | byte & 0x7F
    return _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if head[5] & 0x10 else 0)


def _copy_boxes(source: ByteSource, view: memoryview) -> None:
    """Copy the headers of all outermost boxes, and the whole index."""
    start = parts = index_bytes = 0
    while start + 8 <= len(source):
        header = _copy(source, view, start, _HEADER_BYTES)
        size, kind = struct.unpack_from(">I4s", header)
        if size == 1 and len(header) >= 16:
            (size,) = struct.unpack_from(">Q", header, 8)
        elif size == 0:
            size = len(source) - start
        parts += 1
        if size < 8 or parts > MAX_PARTS:
            return  # sniff() finds the same error and reports it
        if kind == b"moov":
            index_bytes += size
            if index_bytes > MAX_INDEX_BYTES:
                raise MediaInvalid("The recording's index is too large.")
            _copy(source, view, start, size)
        start += size
