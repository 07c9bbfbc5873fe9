"""``emoserve health``: ask the service of this machine whether it lives, as a container's health check does."""

import argparse
import http.client
import json
import socket
import ssl
import sys
from typing import Any

from service.cli.settings_flags import settings_from
from service.settings import Settings

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("--ready", action="store_true", help="ask whether it should get traffic, not only if it lives")
    parser.add_argument("--timeout-s", type=float, default=4.0, metavar="SECONDS", help="longest wait (default 4)")
    parser.add_argument("--host", help="address on which it listens (default EMOSERVE_HOST)")
    parser.add_argument("--port", type=int, help="port on which it listens (default EMOSERVE_PORT)")


def run(arguments: argparse.Namespace) -> int:
    """Print one line; returns the exit status: 0 if the service answers well."""
    settings = settings_from(arguments)
    path = "/v2/health/ready" if arguments.ready else "/v2/health/live"
    is_well, told = ask(settings, path, arguments.timeout_s)
    sys.stdout.write(f"{told}\n")
    return 0 if is_well else 1


def ask(settings: Settings, path: str, timeout_s: float) -> tuple[bool, str]:
    """Whether the service of ``settings`` answers ``path`` with 200, and its answer in one line."""
    try:
        status, document = answer_of(settings, path, timeout_s)
    except _WantsCertificate:
        # The handshake is done, and it wants a certificate that its own machine need not have: it lives.
        return path.endswith("/live"), "it lives, and asks for a client certificate of its authorities"
    except NoAnswer as error:
        return False, str(error)
    return status == 200, str(document.get("detail", path.rpartition("/")[2]))


class NoAnswer(Exception):
    """The service does not answer; the text says where it was asked, and what happened."""


class _WantsCertificate(NoAnswer):
    """It answered as far as TLS goes."""


def answer_of(settings: Settings, path: str, timeout_s: float) -> tuple[int, dict[str, Any]]:
    """Status and JSON document that the service of ``settings`` answers ``path`` with.

    Raises:
        NoAnswer: it answers nothing, or no JSON.
    """
    host = _EVERYWHERE.get(settings.host, settings.host)
    connection: http.client.HTTPConnection
    if settings.ssl_certfile is None:
        connection = http.client.HTTPConnection(host, settings.port, timeout=timeout_s)
    else:
        connection = http.client.HTTPSConnection(host, settings.port, timeout=timeout_s, context=_context(settings))
    is_connected = False
    try:
        connection.connect()
        is_connected = True
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        if is_connected and settings.ssl_ca_certs is not None and isinstance(error, ssl.SSLError | ConnectionError):
            raise _WantsCertificate from error
        raise NoAnswer(f"no answer from {host}:{settings.port}: {_words(error)}") from error
    finally:
        connection.close()


def _context(settings: Settings) -> ssl.SSLContext:
    """Trust whatever answers on this machine: its certificate is made out for another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert settings.ssl_certfile is not None
    if settings.ssl_ca_certs is not None:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    return context


def _words(error: Exception) -> str:
    return "it took too long" if isinstance(error, socket.timeout) else " ".join(str(error).split())
