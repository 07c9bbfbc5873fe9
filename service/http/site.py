"""Names under which the service answers, and pages that may call it: a web page cannot use a service through a browser.

A browser sends requests to the user's own machine for any page. Without credentials nothing else tells such a request
from the user's: a page of another site posts a form, or has its own name point to 127.0.0.1 (DNS rebinding).
"""

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.access.origin import EVERYBODY, authority_of, is_foreign
from service.problems import CrossSite, HostUnknown, Malformed
from service.settings import Settings

LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
"""Names of the own machine, beside the addresses 127.0.0.0/8 and ::1."""

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+(%25[\w.~-]+)?\]|[A-Za-z0-9._~-]+)(:(?P<port>\d{0,5}))?")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Site:
    """The names that a service has.

    Args:
        settings: ``host``, ``allowed_hosts``, ``cors_origins`` and the settings of credentials are used.
    """

    def __init__(self, settings: Settings) -> None:
        self._named = tuple(name.lower().rstrip(".") for name in settings.allowed_hosts)
        self._origins = tuple(settings.cors_origins)
        self._is_protected = settings.protected
        bound = settings.host.lower()
        self._is_everywhere = bound in ("0.0.0.0", "::", "")
        self._own = frozenset({bound, socket.gethostname().lower()} if self._is_everywhere else {bound})

    def check(self, scope: Mapping[str, Any]) -> None:
        """Refuse a request ('http' or 'websocket') that is meant for another host, or that another site's page sends.

        Raises:
            Malformed: no ``Host``, several, or one that is no host.
            HostUnknown: the name is not one of the service's.
            CrossSite: another site's page sends it, and no credentials are needed.
        """
        headers = [(name, value.decode("latin-1").strip()) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1:
            raise Malformed("A request has exactly one Host header.")
        found = _HOST.fullmatch(hosts[0])
        if found is None:
            raise Malformed("The Host header names no host.")
        if not self.answers_to(found["name"]):
            raise HostUnknown
        if scope["type"] == "websocket" or scope["method"] in _SAFE_METHODS or self._is_protected:
            return  # streams judge their origin themselves
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        origins = [value for name, value in headers if name == b"origin"]
        if is_foreign(sites, origins, hosts[0], self._origins) and not self._is_named(origins):
            raise CrossSite

    def answers_to(self, host: str) -> bool:
        """Whether ``host``, a name or an address without its port, is one of the service's."""
        name = host.lower().removeprefix("[").removesuffix("]").rstrip(".")
        if name in LOOPBACK_NAMES or name in self._own or self._is_listed(name):
            return True
        try:
            address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        # A page's own name can be pointed at this machine; an address cannot.
        return address.is_loopback or self._is_everywhere

    def _is_listed(self, name: str) -> bool:
        return any(
            entry in (EVERYBODY, name) or (entry.startswith(".") and name.endswith(entry)) for entry in self._named
        )

    def _is_named(self, origins: Sequence[str]) -> bool:
        """Whether the page lies under a listed name: a proxy may have replaced ``Host``."""
        host = authority_of(origins[0])[0] if len(origins) == 1 else None
        return host is not None and EVERYBODY not in self._named and self._is_listed(host)
