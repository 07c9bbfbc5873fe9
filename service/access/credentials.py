"""Credentials of a request, which stand in headers and never in the address."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from service.access.key_file import PREFIX
from service.access.origin import is_foreign
from service.problems import Unauthenticated

SUBPROTOCOL = "emoserve"
"""A page opens a WebSocket with the subprotocols ``emoserve`` and ``bearer.<key or token>``: it can set no header."""

BASIC_CHALLENGE = 'Basic realm="emoserve", charset="UTF-8"'
"""Makes a browser ask for a name, which may be anything, and a password, which is the key or token."""

_SUBPROTOCOL_CREDENTIALS = "bearer."
_QUERY_NAMES = frozenset({"access_token", "api-key", "api_key", "apikey", "key", "token", "x-api-key"})


@dataclass(frozen=True)
class Credentials:
    """An API key or a token that a request presents; ``is_key`` where it can only be a key."""

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
            if scheme.lower() == "basic" and _offers_key(scope):
                continue
            yield _of_text(_presented(scheme.lower(), credentials.strip(), scope))
        elif name == b"x-api-key":
            yield Credentials(text, is_key=True)
        elif name == b"sec-websocket-protocol" and scope["type"] == "websocket":
            for protocol in text.split(","):
                if protocol.strip().startswith(_SUBPROTOCOL_CREDENTIALS):
                    yield _of_text(protocol.strip().removeprefix(_SUBPROTOCOL_CREDENTIALS))


def _offers_key(scope: Mapping[str, Any]) -> bool:
    """Whether a page opens a WebSocket with a key: the browser adds its stored password unasked."""
    offered = (value for name, value in scope["headers"] if name == b"sec-websocket-protocol")
    names = (name.strip() for value in offered for name in value.decode("latin-1").split(","))
    return scope["type"] == "websocket" and any(name.startswith(_SUBPROTOCOL_CREDENTIALS) for name in names)


def is_navigation(scope: Mapping[str, Any]) -> bool:
    """Whether a browser wants to show a page, and so could ask its user for a password."""
    headers = dict(scope["headers"])
    asks_for_page = b"text/html" in headers.get(b"accept", b"")
    return scope["type"] == "http" and scope["method"] == "GET" and asks_for_page


def _presented(scheme: str, credentials: str, scope: Mapping[str, Any]) -> str:
    """The key or token of an ``Authorization`` header; empty where there is none that counts."""
    if scheme == "bearer":
        return credentials
    if scheme != "basic" or _is_foreign(scope):
        return ""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _is_foreign(scope: Mapping[str, Any]) -> bool:
    """Whether another site's page sends the request: a browser's stored password counts for the own page alone."""
    values: dict[bytes, list[str]] = {b"sec-fetch-site": [], b"origin": [], b"host": []}
    for name, value in scope["headers"]:
        if name in values:
            values[name].append(value.decode("latin-1").strip())
    return is_foreign(values[b"sec-fetch-site"], values[b"origin"], "".join(values[b"host"]), permitted=())


def _of_text(text: str) -> Credentials:
    return Credentials(text, is_key=text.startswith(f"{PREFIX}_"))


def _has_secrets(query: bytes) -> bool:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return any(name.lower() in _QUERY_NAMES or value.startswith(f"{PREFIX}_") for name, value in pairs)
