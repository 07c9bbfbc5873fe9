"""What is looked at before the service listens: port, TLS, who may call, and variables that are no settings."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any

from service.environment import unread_names
from service.settings import Settings
from service.telemetry.logs import service_logger

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def refuse_busy_port(host: str, port: int) -> None:
    """Find out at once what the server would find out only after models began to load.

    Raises:
        OSError: nothing can listen there; its ``filename`` is the address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from None


def transport_security(settings: Settings) -> dict[str, Any]:
    """Options of uvicorn for TLS 1.2 and 1.3 with forward secrecy; none where no certificate is set.

    Raises:
        OSError: certificate and key cannot be used.
    """
    certificate, key, authorities = settings.ssl_certfile, settings.ssl_keyfile, settings.ssl_ca_certs
    if certificate is None:
        return {}
    for path in filter(None, (certificate, key, authorities)):
        path.open("rb").close()  # errors of the ssl module do not name the file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise OSError(error.errno, "no certificate with a fitting key", str(certificate)) from None
    try:
        if authorities is not None:
            context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise OSError(error.errno, "no certificates of authorities", str(authorities)) from None
    return {
        "ssl_certfile": str(certificate),
        "ssl_keyfile": None if key is None else str(key),
        "ssl_ca_certs": None if authorities is None else str(authorities),
        "ssl_cert_reqs": ssl.CERT_NONE if authorities is None else ssl.CERT_REQUIRED,
        "ssl_ciphers": "ECDHE+AESGCM:ECDHE+CHACHA20",
    }


def warn_of_openness(settings: Settings) -> None:
    """Say so where everybody on the network may call."""
    if not settings.protected and settings.host not in _LOOPBACK:
        service_logger.warning(
            "open to everybody who can reach it: no credentials are set up, see docs/security.md",
            extra={"fields": {"host": settings.host}},
        )


def warn_of_unread(environment: Mapping[str, str]) -> None:
    """Say which variables look like settings and are none."""
    for name in unread_names(environment):
        service_logger.warning("no setting, not read: see docs/settings.md", extra={"fields": {"variable": name}})
