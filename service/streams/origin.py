"""Which web pages may open a stream. Browsers ask no permission for a WebSocket, so the service has to look."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers


def is_permitted_origin(headers: Headers, permitted: Sequence[str]) -> bool:
    """Whether the page that opens a WebSocket is the service's own, or of a permitted origin.

    Args:
        headers: of the request; programs other than browsers send no ``Origin``.
        permitted: the setting ``cors_origins``; '*' permits all.
    """
    origin = headers.get("origin")
    if origin is None or origin in permitted or "*" in permitted:
        return True
    return urlsplit(origin).netloc == headers.get("host")
