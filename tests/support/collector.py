"""A collector of traces: takes OTLP over HTTP and keeps it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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


class _Collector(BaseHTTPRequestHandler):
    received: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Its address, and what it has received."""
    handler = type("Handler", (_Collector,), {"received": []})
    collector = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{collector.server_port}/v1/traces", handler.received
    finally:
        collector.shutdown()
        collector.server_close()
