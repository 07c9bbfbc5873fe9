"""The outline of a long file: its headers at their places in otherwise empty memory, enough to detect its kind."""

import mmap
import struct
from typing import Final

from service.pipeline.decoding.remote_file import ByteSource
from service.pipeline.media.bare_frames import MAX_PADDING_BYTES, MAX_SYNC_SEARCH_BYTES
from service.problems import MediaInvalid

HEAD_BYTES: Final = 1024 * 1024
"""Bytes copied from the beginning of every file; the headers of WAV, FLAC, Ogg and WebM lie within."""

MAX_INDEX_BYTES: Final = 64 * 1024 * 1024
"""Largest index of an MP4 file; half a day at 30 frames a second has about 20 MiB."""

MAX_PARTS: Final = 65_536
"""Most boxes on the outermost level of an MP4 file."""

_HEADER_BYTES: Final = 32
_ID3_HEADER_BYTES: Final = 10
_AFTER_TAG_BYTES: Final = MAX_PADDING_BYTES + 2 * MAX_SYNC_SEARCH_BYTES
_CHUNK_BYTES: Final = 1024
"""Bytes read of each chunk of a WAV file: enough to see whether padding follows the last."""


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
        _copy_behind_tags(source, view)
    elif head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        _copy_chunks(source, view)
    elif len(head) >= 8 and head[4:8].isalnum() and head[:4] != b"RIFF":
        _copy_boxes(source, view)
    return view


def _copy(source: ByteSource, view: memoryview, start: int, size: int) -> bytes:
    content = source.read(start, max(0, min(size, len(source) - start)))
    view[start : start + len(content)] = content
    return content


def _copy_behind_tags(source: ByteSource, view: memoryview) -> None:
    """Copy the bytes that follow each of the ID3v2 tags at the beginning."""
    start = parts = 0
    while bytes(view[start : start + 3]) == b"ID3" and len(source) - start >= _ID3_HEADER_BYTES and parts < MAX_PARTS:
        size = 0
        for byte in view[start + 6 : start + _ID3_HEADER_BYTES]:
            size = size << 7 | byte & 0x7F
        start += _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if view[start + 5] & 0x10 else 0)
        parts += 1
        _copy(source, view, start, _HEADER_BYTES)
    _copy(source, view, start, _AFTER_TAG_BYTES)


def _copy_chunks(source: ByteSource, view: memoryview) -> None:
    """The beginnings of all chunks, those of further WAV files in one file too."""
    start = 0
    for _ in range(MAX_PARTS):
        header = _copy(source, view, start, _CHUNK_BYTES)
        if len(header) < 8:
            return
        name, size = struct.unpack_from("<4sI", header)
        if name == b"RIFF":
            start += 12
        elif size == 0 and name == b"data":
            return
        else:
            start += 8 + size + (size & 1 and source.read(start + 8 + size, 1) in (b"\0", b""))


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
