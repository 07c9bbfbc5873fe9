"""The service on a real socket, in a thread."""

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from service.server import make_server
from service.services import Services
from service.settings import Settings
from service.telemetry.logs import configure_logging
from tests.support.fakes import FakePipeline, FakeVideoPipeline, fake_services
from tests.support.patience import HANG_S, wait_until


@dataclass
class LiveServer:
    port: int
    services: Services
    log: io.StringIO

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pipeline(self) -> FakePipeline:
        return self.services.loaded.pipeline  # type: ignore[return-value]

    @property
    def affect(self) -> FakeVideoPipeline:
        return self.services.loaded.affect  # type: ignore[return-value]

    def log_lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def request_lines(self) -> list[dict[str, object]]:
        """One a request, written after its answer was sent."""
        return [line for line in self.log_lines() if line["message"] == "request"]


def small_settings(**changes: object) -> Settings:
    """Limits small enough to run into within a test."""
    limits = {"max_body_bytes": 4 * 1024 * 1024, "body_timeout_s": 30.0, "deadline_s": 60.0}
    limits.update(changes.pop("limits", {}))  # type: ignore[call-overload]
    values = {
        "port": 0,
        "decode_workers": 1,
        "jobs": False,
        "max_batch": 2,
        "log_level": "debug",
        "limits": limits,
        **changes,
    }
    return Settings(**values)  # type: ignore[arg-type]


@contextmanager
def serving(settings: Settings, services: Services | None = None) -> Iterator[LiveServer]:
    services = services or fake_services(settings)
    log = io.StringIO()
    root = logging.getLogger()
    handlers = list(root.handlers)
    configure_logging(settings.log_level, log)
    server = make_server(settings, services)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield LiveServer(port, services, log)
    finally:
        server.stop()
        thread.join()
        root.handlers = handlers


@contextmanager
def serving_models(settings: Settings) -> Iterator[LiveServer]:
    """The whole service with the project's own bundles, decoder and all."""
    services = Services(settings)
    services.start()
    with serving(settings, services) as server:
        yield server


@dataclass
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body)


def exchange(port: int, request: bytes) -> list[RawAnswer]:
    """Send bytes as they are and read answers until the server closes or a pause tells that it is done."""
    with connected(port) as connection:
        with suppress(OSError):  # refused before everything was sent; what matters is whether the answer can be read
            connection.sendall(request)
        return read_answers(connection)


def connected(port: int) -> socket.socket:
    """A plain connection to a service of this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=HANG_S)


def read_answers(connection: socket.socket, count: int = 1) -> list[RawAnswer]:
    """Read until ``count`` final answers are there or the peer closes."""
    answers: list[RawAnswer] = []
    buffer = b""
    while sum(answer.status >= 200 for answer in answers) < count:
        answer, rest = _parse(buffer)
        if answer is not None:
            answers.append(answer)
            buffer = rest
            continue
        piece = connection.recv(65536)
        if not piece:
            break
        buffer += piece
    return answers


def _parse(buffer: bytes) -> tuple[RawAnswer | None, bytes]:
    head, separator, rest = buffer.partition(b"\r\n\r\n")
    if not separator:
        return None, buffer
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(status_line.split()[1])
    size = 0 if status < 200 else int(headers.get("content-length", 0))
    if len(rest) < size:
        return None, buffer
    return RawAnswer(status, headers, rest[:size]), rest[size:]
