"""A server that recordings are fetched from: a store with presigned addresses, and what goes wrong in one."""

import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

HOST: Final = "store.example"
RECORDING: Final = b"sound of the far server"
SECRET: Final = "hush"
"""Stands in the query of every address; nothing of the service may repeat it."""

Talk = Callable[[socket.socket], None]
"""What the server does with a connection once the request was read."""


def answered(head: str, body: bytes = b"") -> Talk:
    """Sends a status line and headers, which end with an empty line, and ``body``."""
    return lambda connection: connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)


def sized(body: bytes, length: int | None = None, more: str = "") -> Talk:
    """Sends 200 and ``body``, whose length is told right unless another is given."""
    return answered(f"HTTP/1.1 200 OK\nContent-Length: {len(body) if length is None else length}{more}", body)


def endless(head: str, piece: bytes, pause_s: float = 0.0) -> Talk:
    """Sends ``head`` as it is, then ``piece`` again and again until nobody reads."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(head.replace("\n", "\r\n").encode())
        while True:
            connection.sendall(piece)
            time.sleep(pause_s)

    return talk


def hang_up(connection: socket.socket) -> None:
    """Resets the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class FarServer:
    """Answers each path as ``talks`` says, and those below ``/bucket/`` only with a valid, fresh signature.

    Attributes:
        seen: heads of the requests, in order.
    """

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        self._listener = listener
        self._context = context
        self.port: int = listener.getsockname()[1]
        self.talks: dict[str, Talk] = {}
        self.seen: list[str] = []

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path, with a secret in its query."""
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}?X-Amz-Signature={SECRET}"

    def presigned(self, key: str, expires_in_s: int = 60) -> str:
        """An address of a store, in the shape of S3's, that is good for a while."""
        expires = int(time.time()) + expires_in_s
        query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
        path = f"/bucket/{key}?{query}"
        return f"http://127.0.0.1:{self.port}{path}&X-Amz-Signature={_signature(path)}"

    @property
    def settings(self) -> dict[str, Any]:
        """Of a service that may fetch from this server, by the name of the store, too."""
        hosts = [HOST, f"127.0.0.1:{self.port}", f"{HOST}:{self.port}"]
        return {"input_url_hosts": hosts, "input_url_networks": ["127.0.0.0/8"], "input_url_http": True}

    def run(self) -> None:
        """Answer until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            connection = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    head += piece
                self.seen.append(head.decode())
                target = head.decode().split()[1]
                talk = self._stored(target) if target.startswith("/bucket/") else self.talks[target.partition("?")[0]]
                talk(connection)

    def _stored(self, target: str) -> Talk:
        path, _, signature = target.rpartition("&X-Amz-Signature=")
        expires = int(path.partition("X-Amz-Expires=")[2].partition("&")[0] or 0)
        if signature != _signature(path) or expires < time.time():
            return answered("HTTP/1.1 403 Forbidden\nContent-Type: application/xml\nContent-Length: 8", b"<Error/>")
        return sized(RECORDING, more="\nContent-Type: binary/octet-stream\nServer: AmazonS3")


def _signature(path: str) -> str:
    return hmac.new(SECRET.encode(), path.encode(), hashlib.sha256).hexdigest()


@contextmanager
def far_server(context: ssl.SSLContext | None = None) -> Iterator[FarServer]:
    """A far server during a ``with`` block, with TLS where ``context`` is given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = FarServer(listener, context)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
    thread.join()
