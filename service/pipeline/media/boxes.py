"""The box structure of MP4 and QuickTime files, read without trust in it. Pure functions over bytes."""

import struct
from collections.abc import Iterator
from typing import Final

from service.problems import ContainerUnsupported, MediaExternalReference, MediaInvalid, MediaTruncated

MAX_BOXES: Final = 65_536
"""Most boxes on one level; an hour in half-second fragments has 14,400."""

STILL_IMAGE_BRANDS: Final = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"crx "})

_TO_DATA_REFERENCES: Final = (b"mdia", b"minf", b"dinf", b"dref")
_SELF_CONTAINED: Final = 1


def check_movie(data: memoryview) -> int:
    """Check that a movie is complete and refers to no other file; return its number of tracks.

    Raises:
        MediaTruncated: a box reaches past the end of the file, or there is no ``moov`` box.
        MediaExternalReference: a data reference or a reference movie names another file.
        ContainerUnsupported: the file is a still image.
        MediaInvalid: a box is impossible.
    """
    if bytes(data[4:8]) == b"ftyp" and bytes(data[8:12]) in STILL_IMAGE_BRANDS:
        raise ContainerUnsupported
    tracks = 0
    movie_seen = False
    for kind, start, end in boxes(data, 0, len(data)):
        if kind == b"moov":
            movie_seen = True
            tracks += _check_tracks(data, start, end)
    if not movie_seen:
        raise MediaTruncated("The recording has no index; its end is missing.")
    return tracks


def _check_tracks(data: memoryview, start: int, end: int) -> int:
    tracks = 0
    for kind, inner, inner_end in boxes(data, start, end):
        if kind == b"rmra":
            raise MediaExternalReference
        if kind == b"trak":
            tracks += 1
            for reference, reference_end in _descend(data, inner, inner_end, _TO_DATA_REFERENCES):
                _check_references(data, reference, reference_end)
    return tracks


def _descend(data: memoryview, start: int, end: int, path: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the content of each box at ``path``."""
    if not path:
        yield start, end
        return
    for kind, inner, inner_end in boxes(data, start, end):
        if kind == path[0]:
            yield from _descend(data, inner, inner_end, path[1:])


def _check_references(data: memoryview, start: int, end: int) -> None:
    """Check that every entry of a ``dref`` box (version, flags, count, entries) is this file itself."""
    for _, inner, inner_end in boxes(data, min(start + 8, end), end):
        if inner_end - inner < 4:
            raise MediaInvalid("A data reference of the recording is cut off.")
        (version_and_flags,) = struct.unpack_from(">I", data, inner)
        if not version_and_flags & _SELF_CONTAINED:
            raise MediaExternalReference


def boxes(data: memoryview, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of the content of each box in ``data[start:end]``.

    Raises:
        MediaTruncated: a box is longer than its parent.
        MediaInvalid: a box is shorter than its header, or there are too many.
    """
    count = 0
    while end - start >= 8:
        count += 1
        if count > MAX_BOXES:
            raise MediaInvalid("The recording has too many parts.")
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and end - start >= 16:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:
            size = end - start
        if size > end - start:
            raise MediaTruncated("The recording ends within one of its parts.")
        if size < header:
            raise MediaInvalid("A part of the recording is shorter than its own header.")
        yield kind, start + header, start + size
        start += size
