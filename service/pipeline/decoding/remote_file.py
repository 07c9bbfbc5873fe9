"""A remote file: a decoder process requests bytes of it piece by piece, and the service sends them.

A process that can open nothing can thus decode recordings larger than memory from encrypted storage.
"""

import io
from typing import Any, BinaryIO, Final, Protocol, cast

from service.pipeline.decoding.protocol import Channel

PIECE_BYTES: Final = 256 * 1024
"""Largest piece of one request; FFmpeg itself requests 32 KiB."""


class ByteSource(Protocol):
    """Bytes with random access, such as an encrypted file. Thread-safe."""

    def __len__(self) -> int:
        """Size in bytes."""

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start`` on; fewer only at the end."""


class _RemoteBytes(io.RawIOBase):
    """The decoder's side: each read is a message and its answer."""

    def __init__(self, channel: Channel, size: int) -> None:
        self._channel = channel
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, target: Any) -> int:  # noqa: ANN401 - any writable buffer
        view = memoryview(target).cast("B")
        size = max(0, min(len(view), PIECE_BYTES, self._size - self._position))
        if size:
            self._channel.send({"type": "read", "start": self._position, "bytes": size})
            self._channel.receive_into(view[:size])
            self._position += size
        return size


def open_remote(channel: Channel, size: int) -> BinaryIO:
    """The decoder's side: a binary file of ``size`` bytes, read through ``channel``."""
    return cast(BinaryIO, io.BufferedReader(_RemoteBytes(channel, size), PIECE_BYTES))


def answer_read(message: dict[str, Any], channel: Channel, source: ByteSource) -> bool:
    """The service's side: answer ``message`` if it requests bytes; False if it does not.

    Raises:
        ValueError: it requests bytes outside the file, so its sender has to be ended.
    """
    if message.get("type") != "read":
        return False
    start, size = message.get("start"), message.get("bytes")
    if type(start) is not int or type(size) is not int:
        raise ValueError("an impossible read")
    if not (start >= 0 and 0 < size <= PIECE_BYTES and start + size <= len(source)):
        raise ValueError("an impossible read")
    channel.send_bytes(source.read(start, size))
    return True
