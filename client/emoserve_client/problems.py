"""Exceptions of this package.

EmoserveError
├── Problem             the service refused: an RFC 9457 document with a stable code
└── ServiceUnreachable  the service gave no answer
"""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx


class EmoserveError(Exception):
    """Base of all exceptions of this package."""


class ServiceUnreachable(EmoserveError):
    """The connection failed, broke, or took too long."""


class Problem(EmoserveError):
    """The service refused the request.

    Attributes:
        status: HTTP status; 0 inside a live stream, whose messages have none.
        code: stable code such as 'media_too_long'; ``GET /v1/problems`` lists all.
        title: meaning of the code.
        detail: what happened to this request.
        request_id: identifier to quote to the operator, who finds the request in the log by it.
        errors: wrong parameters, each with ``pointer`` and ``detail``.
        retry_after_s: seconds after which to try again, with 429 and 503, or None.
        raw: whole problem document.
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
    """Problem in ``response`` (read, 4xx or 5xx); without a problem document its code is 'unknown'."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    document.setdefault("title", response.reason_phrase)
    return Problem(response.status_code, document, response.headers.get("x-request-id", ""), retry_after_s)
