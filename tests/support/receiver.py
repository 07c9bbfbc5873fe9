"""A receiver of the notices of jobs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from emoserve_client import read_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Notice:
    """A notice as it came.

    Attributes:
        path: asked for, with its query.
        headers, body: of the request.
        port: of the sender's end of the connection.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    port: int

    @property
    def id(self) -> str:
        """By which repeats are dropped; the signature is checked."""
        return read_webhook(SECRET, self.headers, self.body).id


Answer = Callable[[Notice], int]
"""Status of the answer to a notice; 0 hangs up."""


class Receiver(ThreadingHTTPServer):
    """Answers with ``statuses`` one after the other, then as ``answer`` says.

    Attributes:
        seen: what came, in order; a notice is there before it is answered.
    """

    def __init__(self, answer: Answer = lambda _: 204) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.statuses: list[int] = []
        self.seen: list[Notice] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def address(self) -> str:
        return f"http://{self.host}/in?token=hush"

    @property
    def settings(self) -> dict[str, str]:
        """Of a service in a process of its own that may call this receiver."""
        return {
            "CALLBACK_HOSTS": f'["{self.host}"]',
            "CALLBACK_HTTP": "true",
            "CALLBACK_SECRETS": f'["{SECRET}"]',
            "CALLBACK_NETWORKS": '["127.0.0.0/8"]',
        }


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender was killed in between
            return
        notice = Notice(self.path, dict(self.headers), body, self.client_address[1])
        statuses = self.server.statuses
        self.server.seen.append(notice)
        status = statuses.pop(0) if statuses else self.server.answer(notice)
        if status:
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiving(answer: Answer = lambda _: 204) -> Iterator[Receiver]:
    """A receiver during a ``with`` block."""
    with Receiver(answer) as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
