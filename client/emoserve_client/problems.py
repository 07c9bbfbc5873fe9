"""What can go wrong, as exceptions.

EmoserveError
├── Problem             the service refused: RFC 9457, with a code that never changes its meaning
└── ServiceUnreachable  no answer of the service came
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx


class EmoserveError(Exception):
    """Base of everything that this package raises."""


class ServiceUnreachable(EmoserveError):
    """The connection failed, broke, or took too long."""


class Problem(EmoserveError):
    """The service refused the request.

    Attributes:
        status: HTTP status; 0 for what is told within a stream, which has none.
        code: such as 'media_too_long'; ``GET /v1/problems`` lists all.
        title: what the code means.
        detail: what happened this time.
        request_id: to be quoted to the operator; nothing else of the request is logged.
        errors: parameters at fault, each with ``pointer`` and ``detail``.
        retry_after_s: when to try again, for 429 and 503.
        raw: the whole document.
    """

    def __init__(
        self, status: int, raw: Mapping[str, Any], request_id: str = "", retry_after_s: float | None = None
    ) -> None:
        self.status = status
        self.code = str(raw.get("code", "unknown"))
        self.title = str(raw.get("title", ""))
        self.detail = str(raw.get("detail", self.title))
        self.request_id = str(raw.get("request_id", request_id))
        self.errors: Sequence[Mapping[str, str]] = tuple(raw.get("errors") or ())
        self.retry_after_s = retry_after_s
        self.raw = raw
        super().__init__(f"{status} {self.code}: {self.detail}" if status else f"{self.code}: {self.detail}")


def problem_of(response: httpx.Response, retry_after_s: float | None = None) -> Problem:
    """The problem that ``response`` (read, 4xx or 5xx) tells; what a proxy wrote becomes the code 'unknown'."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    document.setdefault("title", response.reason_phrase)
    return Problem(response.status_code, document, response.headers.get("x-request-id", ""), retry_after_s)
