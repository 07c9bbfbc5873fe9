"""The WebSocket connection: uvicorn's, with bounds that it lacks.

- Its own log lines, which name addresses and quote messages, are left out.
- A client that reads nothing cannot keep the connection open after the stream is over.
"""

import asyncio
import logging

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from service.http.reader_watch import reset


class StreamProtocol(WebSocketsSansIOProtocol):
    """One connection. The envelope writes its line: route, status, duration, no address.

    Attributes:
        linger_s: seconds that a client has to read what is left when the stream is over.
    """

    linger_s = 10.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.logger = self.conn.logger = logging.getLogger("service.websocket")
        self.logger.setLevel(logging.CRITICAL)
        self.conn.debug = False
        super().connection_made(transport)

    def handle_connect(self, event: Request) -> None:
        """A handshake that is refused never reaches the application."""
        super().handle_connect(event)
        if self.response.status_code != 101:
            self._end_soon()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done with it."""
        super().on_task_complete(task)
        self._end_soon()

    def _end_soon(self) -> None:
        self.loop.call_later(self.linger_s, self._reset)

    def _reset(self) -> None:
        """Throw away what the client has not read; the kernel would go on offering it."""
        if not self.disconnected:
            reset(self.transport)
