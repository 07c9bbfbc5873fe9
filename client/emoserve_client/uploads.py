"""Files of a request: paths, bytes, or open binary files, sent in pieces."""

import io
import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread


@dataclass(frozen=True)
class Url:
    """A recording that the service fetches itself, where its operator allows it.

    Attributes:
        address: such as a presigned one of S3; whoever has it, has the recording.
    """

    address: str = field(repr=False)


Upload = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Url
"""Types that can be sent as a file."""

PIECE_BYTES = 256 * 1024
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Source:
    """File to be sent.

    Attributes:
        stream: open file, or its path.
        media_type: type guessed from the name; the service looks at the bytes itself.
        size_bytes: size, or None if it is not known beforehand.
        repeatable: whether the file can be sent again.
        start: offset in bytes from which an open file is sent.
    """

    stream: BinaryIO | Path
    media_type: str
    size_bytes: int | None
    repeatable: bool
    start: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """Type and, where it is known, length of the body."""
        length = {} if self.size_bytes is None else {"content-length": str(self.size_bytes)}
        return {"content-type": self.media_type, **length}

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes from the beginning."""
        if isinstance(self.stream, Path):
            with self.stream.open("rb") as stream:
                yield from _pieces(stream)
            return
        if self.repeatable:
            self.stream.seek(self.start)
        yield from _pieces(self.stream)

    def async_pieces(self) -> AsyncIterator[bytes]:
        """Yield the bytes from the beginning; a thread reads the file."""
        return _read_in_a_thread(self.pieces())


@dataclass(frozen=True)
class Form:
    """Files and documents to be sent as the parts of one body.

    Attributes:
        sources: each becomes a part ``file``.
        documents: JSON by the names of their parts.
    """

    sources: Sequence[Source]
    documents: Mapping[str, bytes]
    boundary: str

    @property
    def repeatable(self) -> bool:
        """Whether all files can be sent again."""
        return all(source.repeatable for source in self.sources)

    @property
    def headers(self) -> dict[str, str]:
        """Type of the body."""
        return {"content-type": f"multipart/form-data; boundary={self.boundary}"}

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes from the beginning."""
        for name, document in self.documents.items():
            yield self._head(name, "application/json", named=False) + document + b"\r\n"
        for source in self.sources:
            yield self._head("file", source.media_type, named=True)
            yield from source.pieces()
            yield b"\r\n"
        yield f"--{self.boundary}--\r\n".encode()

    def async_pieces(self) -> AsyncIterator[bytes]:
        """Yield the bytes from the beginning; a thread reads the files."""
        return _read_in_a_thread(self.pieces())

    def _head(self, name: str, media_type: str, *, named: bool) -> bytes:
        filename = '; filename="recording"' if named else ""
        lines = (
            f"--{self.boundary}",
            f'Content-Disposition: form-data; name="{name}"{filename}',
            f"Content-Type: {media_type}",
        )
        return "\r\n".join((*lines, "", "")).encode()


def form_of(uploads: Sequence[Upload], documents: Mapping[str, bytes]) -> Form:
    """Prepare several parts for sending; raises as :func:`source_of`."""
    return Form([source_of(upload) for upload in uploads], documents, secrets.token_hex(16))


def source_of(upload: Upload, *, table: bool = False) -> Source:
    """Prepare ``upload`` for sending.

    Args:
        upload: file to send.
        table: whether the file is a table of action units rather than a recording.

    Raises:
        OSError: no readable file is at the path.
        TypeError: it is an address, where files alone are taken.
    """
    if isinstance(upload, Url):
        raise TypeError("profiles are made from files, not from addresses")
    if isinstance(upload, bytes | bytearray | memoryview):
        return Source(io.BytesIO(upload), "text/csv" if table else UNKNOWN_TYPE, len(upload), repeatable=True)
    if isinstance(upload, str | os.PathLike):
        path = Path(upload)
        with path.open("rb") as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
        return Source(path, _media_type(path.name, table), size_bytes, repeatable=True)
    name = getattr(upload, "name", "")
    media_type = _media_type(name if isinstance(name, str) else "", table)
    if not upload.seekable():
        return Source(upload, media_type, None, repeatable=False)
    start = upload.tell()
    size_bytes = upload.seek(0, os.SEEK_END) - start
    return Source(upload, media_type, size_bytes, repeatable=True, start=start)


def _media_type(name: str, table: bool) -> str:
    if table:
        return "text/csv"
    guess = mimetypes.guess_type(name)[0] or UNKNOWN_TYPE
    return guess if guess.startswith(("audio/", "video/")) else UNKNOWN_TYPE


async def _read_in_a_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
        yield piece


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(PIECE_BYTES):
        yield piece
