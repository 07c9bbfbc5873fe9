"""Addresses that the service calls for a client: named by the operator, resolved once, private only where permitted.

A client that could choose an address freely could reach what only the service can reach: its own machine, its cloud's
metadata, other services of its network (server-side request forgery). ``http.client`` gets a socket that is connected
already, so that the address which was checked is the one that is used; it follows no redirect and knows no proxy.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from service.problems import CallbackRefused
from service.settings import Network, Settings

TIMEOUT_S: Final = 5.0
"""Seconds for connecting, and for each wait for the other side."""

DEADLINE_S: Final = 10.0
"""Seconds from the first to the last byte, however slowly the other side talks."""

MAX_CHARACTERS: Final = 2048
"""Longest address."""

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>[/?][!\"$-~]*)?"
)
"""An http address in visible ASCII, without user, password and fragment."""

_ENTRY = re.compile(r"(?P<name>\[[^\]]+\]|[^:]+)(?::(?P<port>[0-9]+))?")
_PORTS: Final = {"http": 80, "https": 443}
_EMBEDDING: Final = tuple(map(ipaddress.ip_network, ("2001::/32", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48")))
"""Teredo, 6to4 and NAT64 (RFC 4380, 3056, 6052, 8215): each holds an IPv4 address, which may be private."""

Resolve = Callable[[str, int], Sequence[str]]
"""IP addresses of a host; raises OSError."""


class AddressRefusedError(Exception):
    """The host's name leads to an address that the service does not call."""


@dataclass(frozen=True)
class Target:
    """An address that is permitted, as far as it can be told without asking for the host's."""

    scheme: str
    host: str
    port: int
    path: str


def read_target(text: str, settings: Settings) -> Target:
    """Read an address that a client gave.

    Raises:
        CallbackRefused: it is none, or the operator has not permitted it.
    """
    if not settings.callback_hosts:
        raise CallbackRefused("This service calls nobody back: its operator has not allowed it.", pointer="/callback")
    found = _ADDRESS.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if found is None:
        raise CallbackRefused(
            f"callback must be an address in ASCII of at most {MAX_CHARACTERS} characters, without user and fragment.",
            pointer="/callback",
        )
    if found["scheme"] == "http" and not settings.callback_http:
        raise CallbackRefused("callback must begin with https://.", pointer="/callback")
    host, path = found["host"].lower().rstrip("."), found["path"] or "/"
    port = int(found["port"] or _PORTS[found["scheme"]])
    if not any(_names(entry, host, port, _PORTS[found["scheme"]]) for entry in settings.callback_hosts):
        raise CallbackRefused("The operator has not named this host and port for callbacks.", pointer="/callback")
    return Target(found["scheme"], host, port, path if path.startswith("/") else f"/{path}")


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    networks: Sequence[Network],
    resolve: Resolve | None = None,
    trust: ssl.SSLContext | None = None,
) -> int:
    """Send ``body``; returns the status of the answer, whose rest is not read.

    Args:
        target: where to.
        body: the content.
        headers: beside ``Host`` and ``Content-Length``.
        networks: networks that may be called although they are not public.
        resolve: finds addresses of a host; None asks the system.
        trust: certificates that are trusted; None stands for the system's.

    Raises:
        AddressRefusedError: the host has an address that may not be called.
        OSError, http.client.HTTPException: no answer came, or none that can be read.
    """
    name = target.host.strip("[]")
    address = _permitted((resolve or _resolve)(name, target.port), networks)
    with closing(socket.create_connection((address, target.port), TIMEOUT_S)) as plain:
        if target.scheme == "http":
            return _exchange(http.client.HTTPConnection(target.host, target.port), plain, target, body, headers)
        context = trust or ssl.create_default_context()
        with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as secured:
            connection = http.client.HTTPSConnection(target.host, target.port, context=context)
            return _exchange(connection, secured, target, body, headers)


def _exchange(
    connection: http.client.HTTPConnection,
    connected: socket.socket,
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
) -> int:
    # Each wait has its own limit; a side that sends a byte now and then would keep within it for hours.
    timer = threading.Timer(DEADLINE_S, socket.socket.shutdown, (connected, socket.SHUT_RDWR))
    timer.daemon = True
    timer.start()
    try:
        if isinstance(connected, ssl.SSLSocket):
            connected.do_handshake()
        connection.sock = connected
        connection.request("POST", target.path, body, {**headers, "Connection": "close"})
        return connection.getresponse().status
    finally:
        timer.cancel()


def _permitted(addresses: Sequence[str], networks: Sequence[Network]) -> str:
    """The first of a host's addresses, all of which must be permitted."""
    if not addresses or not all(is_permitted(address, networks) for address in addresses):
        raise AddressRefusedError("address refused")
    return addresses[0]


def is_permitted(text: str, networks: Sequence[Network]) -> bool:
    """Whether an IP address is public, or in one of ``networks``."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in networks):
        return True
    hides_another = any(address in network for network in _EMBEDDING)
    return address.is_global and not address.is_multicast and not hides_another


def _names(entry: str, host: str, port: int, usual_port: int) -> bool:
    """Whether an entry of the operator's list, HOST or HOST:PORT, '.example.org' for all below, means this host."""
    found = _ENTRY.fullmatch(entry.lower())
    if found is None or port != int(found["port"] or usual_port):
        return False
    return host == found["name"] or (found["name"].startswith(".") and host.endswith(found["name"]))


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
