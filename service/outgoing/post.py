"""A POST to an address that a client gave.

``http.client`` gets a socket that is connected already, so that the address which was checked is the one that is used;
it follows no redirect and knows no proxy.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final

from service.outgoing.address import Resolve, Target, find_address
from service.settings import Network

TIMEOUT_S: Final = 5.0
"""Seconds for connecting, and for each wait for the other side."""

DEADLINE_S: Final = 10.0
"""Seconds from the first to the last byte, however slowly the other side talks."""


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
    address = find_address(target, networks, resolve)
    with closing(socket.create_connection((address, target.port), TIMEOUT_S)) as plain:
        if target.scheme == "http":
            return _exchange(http.client.HTTPConnection(target.host, target.port), plain, target, body, headers)
        context = trust or ssl.create_default_context()
        with context.wrap_socket(plain, server_hostname=target.name, do_handshake_on_connect=False) as secured:
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
