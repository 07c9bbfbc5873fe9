"""Addresses that the service calls for a client: named by the operator, resolved once, private only where permitted.

A client that could choose an address freely could reach what only the service can reach: its own machine, its cloud's
metadata, other services of its network (server-side request forgery). Callers connect to the address that was checked,
follow no redirect and know no proxy.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.problems import CallbackRefused, Unprocessable, UrlRefused
from service.settings import Network, Settings

CALLBACK_CHARACTERS: Final = 2048
"""Longest address of a callback."""

INPUT_CHARACTERS: Final = 8192
"""Longest address of a recording: a presigned one may hold a session's token of kilobytes."""

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
class Permission:
    """Addresses of one kind that the operator permits.

    Attributes:
        name: of the parameter or part that holds the address.
        hosts: HOST or HOST:PORT, '.example.org' for all below; none permit nothing.
        networks: networks that may be called although they are not public.
        is_plain_permitted: whether addresses without TLS may be called.
        max_characters: of an address.
        refusal: what other addresses are answered with.
        absent: its sentence where no hosts are named.
    """

    name: str
    hosts: Sequence[str]
    networks: Sequence[Network]
    is_plain_permitted: bool
    max_characters: int
    refusal: type[Unprocessable]
    absent: str


def callback_permission(settings: Settings) -> Permission:
    """Addresses that are told of the end of jobs."""
    return Permission(
        "callback",
        settings.callback_hosts,
        settings.callback_networks,
        settings.callback_http,
        CALLBACK_CHARACTERS,
        CallbackRefused,
        "This service calls nobody back: its operator has not allowed it.",
    )


def input_permission(settings: Settings) -> Permission:
    """Addresses that recordings are fetched from."""
    return Permission(
        "url",
        settings.input_url_hosts,
        settings.input_url_networks,
        settings.input_url_http,
        INPUT_CHARACTERS,
        UrlRefused,
        "This service fetches no recordings: its operator has not allowed it. Send the file.",
    )


@dataclass(frozen=True)
class Target:
    """An address that is permitted, as far as it can be told without asking for the host's."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)

    @property
    def name(self) -> str:
        """The host without brackets, as certificates and resolvers know it."""
        return self.host.strip("[]")

    @property
    def authority(self) -> str:
        """Value of the header ``Host``."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"


def read_target(text: str, permission: Permission) -> Target:
    """Read an address that a client gave.

    Raises:
        Unprocessable: it is none, or the operator has not permitted it; of the permission's kind. It repeats nothing
            of the address.
    """
    name = permission.name

    def refused(why: str) -> Unprocessable:
        return permission.refusal(why, pointer=f"/{name}")

    if not permission.hosts:
        raise refused(permission.absent)
    found = _ADDRESS.fullmatch(text) if len(text) <= permission.max_characters else None
    if found is None:
        raise refused(
            f"{name} must be an address in ASCII of at most {permission.max_characters} characters, without user "
            "and fragment."
        )
    if found["scheme"] == "http" and not permission.is_plain_permitted:
        raise refused(f"{name} must begin with https://.")
    host, path = found["host"].lower().rstrip("."), found["path"] or "/"
    port = int(found["port"] or _PORTS[found["scheme"]])
    if not any(_names(entry, host, port, _PORTS[found["scheme"]]) for entry in permission.hosts):
        raise refused(f"The operator has not named this host and port for '{name}'.")
    return Target(found["scheme"], host, port, path if path.startswith("/") else f"/{path}")


def find_address(target: Target, networks: Sequence[Network], resolve: Resolve | None = None) -> str:
    """The IP address to call: the first of the host's, all of which must be permitted.

    Args:
        target: whose host is meant.
        networks: networks that may be called although they are not public.
        resolve: finds addresses of a host; None asks the system.

    Raises:
        AddressRefusedError: the host has an address that may not be called, or none.
        OSError, UnicodeError: the host is not found, or its name cannot be one.
    """
    addresses = (resolve or _resolve)(target.name, target.port)
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
