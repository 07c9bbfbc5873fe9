"""A client of the streams for tests: blocking, one call a message."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S

AUDIO, VIDEO = "/v1/stream/audio", "/v1/stream/video"
PIECE_BYTES = 6400


class StreamClient:
    """One connection."""

    def __init__(self, server: LiveServer, path: str = AUDIO, **more: Any) -> None:
        address = f"ws://127.0.0.1:{server.port}{path}"
        self._context = connect(address, max_size=2**24, **({"compression": None} | more))
        self.socket: ClientConnection = self._context.__enter__()

    def __enter__(self) -> StreamClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, kind: str, **members: object) -> None:
        """Send a message; what the service said before it closed is still to be heard."""
        with suppress(ConnectionClosed):
            self.socket.send(json.dumps({"type": kind, **members}))

    def hear(self) -> dict[str, Any]:
        return json.loads(self.socket.recv(HANG_S))

    def begin(self, **config: object) -> dict[str, Any]:
        self.say("config", **({"sample_rate_hz": 16000} | config))
        return self.hear()

    def resume(self, session: str, **members: object) -> dict[str, Any]:
        self.say("resume", id=session, **members)
        return self.hear()

    def end(self) -> list[dict[str, Any]]:
        """Say that all was sent; every message up to the close."""
        self.say("end")
        return self.rest()

    def send(self, content: bytes, piece_bytes: int = PIECE_BYTES) -> None:
        for begin in range(0, len(content), piece_bytes):
            self.socket.send(content[begin : begin + piece_bytes])

    def rest(self) -> list[dict[str, Any]]:
        """Every message up to the close."""
        messages = []
        try:
            while True:
                messages.append(self.hear())
        except ConnectionClosed:
            return messages

    def close_code(self) -> int | None:
        """With which the service closed, after everything that it said."""
        self.rest()
        return self.socket.close_code

    def break_off(self) -> None:
        """End the connection as a network does that fails: without a close frame."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)
