"""The caller of a request and their permissions: the one place that the rest of the service asks.

Credentials are checked in ``service.access`` and by ``service.http.guard``; routers, jobs and streams read
the result with :func:`caller_of`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from service.settings import KeyLimits


Scope = Literal["analyse", "models:read", "metrics:read", "admin"]
"""Permissions of credentials: analyses (jobs and streams too), cards and documentation, metrics, everything."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

OPEN_PREFIX = "/v2/health/"
"""Prefix of addresses that need no credentials, for orchestrators."""

PAGE_PREFIX = "/page/"
"""Files of the web page, which are the same for everybody."""

_MODELS_PREFIX, _INFER_SUFFIX = "/v2/models/", "/infer"
"""Begin and end of the addresses at which the Open Inference Protocol has a model run."""

_CALLER = "caller"
_IPV6_SENDER_BITS = 64  # RFC 6177: what one site gets at least

_RULES: tuple[tuple[str, Scope], ...] = (
    ("/v1/models", "models:read"),
    ("/v1/limits", "models:read"),
    ("/v1/problems", "models:read"),
    ("/v1/flags", "models:read"),
    ("/v1/fhir", "models:read"),
    ("/v2", "models:read"),
    ("/openapi.json", "models:read"),
    ("/docs", "models:read"),
    ("/metrics", "metrics:read"),
    ("/v1", "analyse"),
)
"""Scope that each prefix needs; the first that fits decides. Other addresses need credentials, but no scope."""


@dataclass(frozen=True)
class Caller:
    """The sender of a request.

    Attributes:
        key_id: name of the credentials in the audit log: a key's id, or 'jwt:' and the token's subject.
        owner: owner of the credentials. Keys of one owner share limits and jobs, so that keys can be rotated.
        scopes: what the credentials permit.
        limits: limits of these credentials, or None for the service's default.
    """

    key_id: str
    owner: str
    scopes: frozenset[str]
    limits: KeyLimits | None = None

    def may(self, scope: str) -> bool:
        """Whether these credentials permit ``scope``; 'admin' permits everything."""
        return scope in self.scopes or "admin" in self.scopes


ANONYMOUS = Caller("anonymous", "anonymous", frozenset(SCOPES))
"""The caller of a service that needs no credentials."""


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """The sender of the request in an ASGI scope; :data:`ANONYMOUS` where no credentials are needed."""
    caller: Caller = scope.get("state", {}).get(_CALLER, ANONYMOUS)
    return caller


def sender_of(scope: Mapping[str, Any]) -> str:
    """The name under which the request's sender takes turns: the owner of the credentials, else the address.

    A sender has all addresses of an IPv6 network of 64 bits.
    """
    caller = caller_of(scope)
    if caller is not ANONYMOUS or not scope.get("client"):
        return caller.owner
    host = str(scope["client"][0])
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, _IPV6_SENDER_BITS), strict=False)) if address.version == 6 else host


def set_caller(scope: MutableMapping[str, Any], caller: Caller) -> None:
    """Note who sent the request; for the guard alone."""
    scope.setdefault("state", {})[_CALLER] = caller


def path_of(scope: Mapping[str, Any]) -> str:
    """The address that is asked for, as the routes know it: without the prefix under which the service is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))


def is_open(scope: Mapping[str, Any]) -> bool:
    """Whether the address answers without credentials."""
    return path_of(scope).startswith(OPEN_PREFIX)


def is_audited(scope: Mapping[str, Any]) -> bool:
    """Whether a request is worth a line in the audit log: probes and files of the page touch nobody's data."""
    path = path_of(scope)
    return not (is_open(scope) or path in ("/", "/favicon.ico") or path.startswith(PAGE_PREFIX))


def required_scope(path: str) -> str | None:
    """The scope that an address needs, or None where any valid credentials will do."""
    if path.startswith(_MODELS_PREFIX) and path.endswith(_INFER_SUFFIX):
        return "analyse"
    for prefix, scope in _RULES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return scope
    return None
