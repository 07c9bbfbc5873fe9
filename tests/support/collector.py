"""A collector of traces: takes OTLP over HTTP and keeps it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.http_server import Quiet, answering

ALLOWED = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "error.type",
    "emoserve.media_s",
    "emoserve.models",
    "emoserve.busy_s",
}
"""Every attribute that a span may have."""


class _Collector(Quiet, BaseHTTPRequestHandler):
    received: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()


@contextmanager
def collecting() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Its address, and what it has received."""
    handler = type("Handler", (_Collector,), {"received": []})
    with answering(handler) as collector:
        yield f"http://127.0.0.1:{collector.server_port}/v1/traces", handler.received
