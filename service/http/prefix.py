"""The path below which a proxy offers the service, whether the proxy cuts it off or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Prefix:
    """ASGI middleware outside all others: afterwards ``path`` begins with ``root_path``, as ASGI has it.

    Requests arrive with the prefix (a proxy that passes them on as they are, or the page of a service that is asked
    without its proxy) and without (a proxy that cuts it off). Where the service has addresses below the prefix
    itself, such as ``/v1``, the two cannot be told apart: then it is taken to have been cut off.

    Args:
        app: what to call.
        prefix: begins with a slash and does not end with one.
        addresses: all paths of the service.
    """

    def __init__(self, app: ASGIApp, prefix: str, addresses: Iterable[str]) -> None:
        self._app = app
        self._prefix = prefix
        self._is_told_apart = not any(f"{address}/".startswith(f"{prefix}/") for address in addresses)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket; the application's own life passes through."""
        if scope["type"] in ("http", "websocket"):
            path: str = scope["path"]
            if not (self._is_told_apart and f"{path}/".startswith(f"{self._prefix}/")):
                path = self._prefix + path
            elif path == self._prefix:
                path += "/"
            scope = {**scope, "root_path": self._prefix, "path": path}
        await self._app(scope, receive, send)
