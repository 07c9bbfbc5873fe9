"""A WebSocket as the envelope sees it: how it was answered and how many bytes came, never which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

    from service.http.exchange import Exchange

SWITCHING_PROTOCOLS = 101
INTERNAL_ERROR = 1011


class WatchedSocket:
    """Adds the request id to the answer and counts.

    Attributes:
        status: 101 once the socket is accepted, else that of the refusal; 499 where the client left before.
    """

    def __init__(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self.status = 499

    async def receive(self) -> Message:
        """The next event."""
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self._exchange.body_bytes += len(message.get("bytes") or message.get("text") or b"")
        return message

    async def send(self, message: Message) -> None:
        """Pass an event on."""
        if message["type"] == "websocket.accept":
            self.status = SWITCHING_PROTOCOLS
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]
        if message["type"] in ("websocket.accept", "websocket.http.response.start"):
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            headers["X-Request-Id"] = self._exchange.request_id
            message["headers"] = headers.raw
        await self._send(message)

    async def break_off(self) -> None:
        """Close after an error that nobody expected."""
        if self.status == SWITCHING_PROTOCOLS:
            try:
                await self._send({"type": "websocket.close", "code": INTERNAL_ERROR})
            except Exception:  # the client has gone, or the close was sent already
                return
        else:
            self.status = 500
            await self._send({"type": "websocket.close"})
