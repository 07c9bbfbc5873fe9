"""Clients that ask and do not read: their connection is reset, for the kernel would go on offering them the answer."""

import asyncio
import socket
import struct


class ReaderWatch:
    """Notices a client that reads nothing for ``patience_s`` seconds while something waits for it."""

    def __init__(self, transport: asyncio.Transport, patience_s: float) -> None:
        self._transport = transport
        self._patience_s = patience_s
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Look from now on, for as long as something waits."""
        waiting_bytes = self._transport.get_write_buffer_size()
        if self._timer is None and waiting_bytes:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience_s, self._look, waiting_bytes)

    def end(self) -> None:
        """The client has gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, waiting_bytes: int) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() < waiting_bytes:
            self.begin()
        else:
            reset(self._transport)


def reset(transport: asyncio.Transport) -> None:
    """Break a connection off, and throw away what its client has not read."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
