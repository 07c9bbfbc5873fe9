"""Messages between the service and a decoder process: a length, a JSON header of that length, then raw bytes.

The service does not trust the decoder's side: it unpickles nothing and checks every length.
"""

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Final

MAX_HEADER_BYTES: Final = 65_536
BEGUN: Final = "begun"
"""Type of a decoder's first message in a job: it has the file and begins to read it."""

OUTGROWN: Final = "outgrown"
"""Type of a decoder's last message in a job that has more samples than it was told to take; with ``claimed_s``."""

_LENGTH: Final = struct.Struct("<I")


class Channel:
    """One end of a connected stream socket.

    Without a deadline it never polls: a process that may open no file descriptors cannot.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline_s: float | None = None

    def set_deadline(self, deadline_s: float | None) -> None:
        """Let every later call raise TimeoutError once ``time.monotonic()`` has passed ``deadline_s``."""
        self._deadline_s = deadline_s
        if deadline_s is None:
            self._connection.settimeout(None)

    def send(self, header: Mapping[str, object], payload: bytes | memoryview = b"") -> None:
        """Send one message; the header gives kind and length of the payload."""
        text = json.dumps(header).encode()
        self._limit_wait()
        self._connection.sendall(_LENGTH.pack(len(text)) + text)
        if len(payload):
            self._limit_wait()
            self._connection.sendall(payload)

    def send_bytes(self, payload: bytes | memoryview) -> None:
        """Send bytes without a header; the other side knows their number."""
        self._limit_wait()
        self._connection.sendall(payload)

    def receive_header(self) -> dict[str, Any]:
        """Receive a header.

        Raises:
            EOFError: the other side has gone.
            ValueError: the header is invalid or too long.
        """
        length = bytearray(_LENGTH.size)
        self.receive_into(memoryview(length))
        (size,) = _LENGTH.unpack(length)
        if size > MAX_HEADER_BYTES:
            raise ValueError("header too long")
        text = bytearray(size)
        self.receive_into(memoryview(text))
        header = json.loads(text)
        if not isinstance(header, dict):
            raise ValueError("header is not an object")
        return header

    def receive_into(self, target: memoryview) -> None:
        """Fill ``target`` (bytes, contiguous). Raises EOFError if the other side has gone."""
        while len(target):
            self._limit_wait()
            count = self._connection.recv_into(target)
            if count == 0:
                raise EOFError
            target = target[count:]

    def peer_has_gone(self) -> bool:
        """Whether the other side closed its end or died. Never blocks."""
        self._connection.setblocking(False)
        try:
            return self._connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self._connection.setblocking(True)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()

    def _limit_wait(self) -> None:
        if self._deadline_s is None:
            return
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
