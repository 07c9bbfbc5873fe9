"""With which code a WebSocket is closed (RFC 6455, section 7.4.1, and the IANA registry)."""

from __future__ import annotations

from typing import Final

from service.problems import (
    ConfigMissing,
    DeadlineExceeded,
    MessageTooLarge,
    Problem,
    Unavailable,
    UnsupportedContentType,
)

NORMAL: Final = 1000
UNSUPPORTED_DATA: Final = 1003
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013

_BY_STATUS: Final = {400: INVALID_DATA, 422: INVALID_DATA, 500: INTERNAL_ERROR}


def close_code(problem: Problem) -> int:
    """The code that tells a client what to do about ``problem``."""
    if isinstance(problem, ConfigMissing):
        return POLICY_VIOLATION
    if isinstance(problem, MessageTooLarge):
        return TOO_BIG
    if isinstance(problem, UnsupportedContentType):
        return UNSUPPORTED_DATA
    if isinstance(problem, Unavailable):
        return TRY_AGAIN_LATER
    if isinstance(problem, DeadlineExceeded):
        return INTERNAL_ERROR
    return _BY_STATUS.get(problem.status, POLICY_VIOLATION)
