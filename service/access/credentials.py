"""Where credentials may stand in a request: in headers, never in the address (serving_notes 2.4, row 37)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from service.access.key_file import PREFIX
from service.problems import Unauthenticated

SUBPROTOCOL = "emoserve"
"""A page opens a WebSocket with the subprotocols ``emoserve`` and ``bearer.<key or token>``: it can set no header."""

_SUBPROTOCOL_CREDENTIALS = "bearer."
_QUERY_NAMES = frozenset({"access_token", "api-key", "api_key", "apikey", "key", "token", "x-api-key"})


@dataclass(frozen=True)
class Credentials:
    """What a request presents.

    Attributes:
        text: an API key or a token.
        is_key: whether it can only be an API key.
    """

    text: str
    is_key: bool


def find_credentials(scope: Mapping[str, Any]) -> Credentials:
    """The credentials in the headers of an ASGI scope ('http' or 'websocket').

    Raises:
        Unauthenticated: there are none, or several, or they stand in the query string, where proxies log them.
    """
    if _has_secrets(scope["query_string"]):
        raise Unauthenticated("Credentials belong into a header, never into the address.")
    found = list(_in_headers(scope))
    if len(found) != 1:
        raise Unauthenticated
    return found[0]


def _in_headers(scope: Mapping[str, Any]) -> Iterable[Credentials]:
    for name, value in scope["headers"]:
        text = value.decode("latin-1").strip()
        if name == b"authorization":
            scheme, _, credentials = text.partition(" ")
            is_bearer = scheme.lower() == "bearer"
            yield Credentials(credentials.strip() if is_bearer else "", credentials.strip().startswith(f"{PREFIX}_"))
        elif name == b"x-api-key":
            yield Credentials(text, is_key=True)
        elif name == b"sec-websocket-protocol" and scope["type"] == "websocket":
            for protocol in text.split(","):
                if protocol.strip().startswith(_SUBPROTOCOL_CREDENTIALS):
                    credentials = protocol.strip().removeprefix(_SUBPROTOCOL_CREDENTIALS)
                    yield Credentials(credentials, credentials.startswith(f"{PREFIX}_"))


def _has_secrets(query: bytes) -> bool:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return any(name.lower() in _QUERY_NAMES or value.startswith(f"{PREFIX}_") for name, value in pairs)
