"""Who makes a request, as far as jobs are concerned: the one place that knows where that is written."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

ANONYMOUS = "anonymous"


def caller_of(scope: MutableMapping[str, Any]) -> str:
    """The caller of the request with this ASGI scope; 'anonymous' where nobody has to say who they are."""
    caller = scope.get("caller")
    return caller if isinstance(caller, str) and caller else ANONYMOUS
