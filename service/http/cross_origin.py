"""Which pages of other origins may call (CORS). None, unless a setting names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_METHODS = ("GET", "HEAD", "POST", "DELETE")
_REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-API-Key", "X-Request-Id")
_ANSWER_HEADERS = ("Location", "RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing", "X-Request-Id")


def cross_origin_rules(origins: Sequence[str]) -> dict[str, Any]:
    """Arguments of Starlette's ``CORSMiddleware``. Cookies are never taken: credentials are headers."""
    return {
        "allow_origins": list(origins),
        "allow_methods": list(_METHODS),
        "allow_headers": list(_REQUEST_HEADERS),
        "expose_headers": list(_ANSWER_HEADERS),
        "allow_credentials": False,
    }
