"""OpenTelemetry traces: a span a request with a span a stage, sent over OTLP/HTTP when an endpoint is set.

Spans are made when the answer has gone out, from times that were noted on the way. Without an endpoint nothing of
OpenTelemetry is imported and nothing is noted beyond what ``Server-Timing`` says anyway. A span holds what
:func:`span_attributes` lists and nothing else: no path, no query, no address, no header, no content.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from service import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

NANOSECONDS_PER_S = 1_000_000_000
SERVER_ERROR = 500
FLUSH_TIMEOUT_MS = 3000
SERVICE_NAME = "emoserve"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
OTHER_METHOD = "_OTHER"  # OpenTelemetry's word for what a client made up


@dataclass(frozen=True)
class RequestTrace:
    """Facts of one request that its trace tells.

    Attributes:
        route: the template, never the path.
        code: 'ok' or the problem's code.
        began_at: moment of ``time.monotonic()``.
        spans: begin and end of each stage.
        busy_s: seconds that each stage took in all.
        media_s: seconds of media, if known.
        models: models that answered.
        parent: the request's header ``traceparent`` (W3C Trace Context), if it had one.
    """

    method: str
    route: str
    status: int
    code: str
    began_at: float
    spans: Mapping[str, tuple[float, float]]
    busy_s: Mapping[str, float]
    media_s: float | None
    models: tuple[str, ...]
    parent: str | None


class Tracer(Protocol):
    """Traces requests."""

    def record(self, request: RequestTrace) -> str | None:
        """Trace a request that is answered; returns the trace's id where it is sampled."""

    def close(self) -> None:
        """Send what is left."""


class NoTracer:
    """Traces nothing."""

    def record(self, request: RequestTrace) -> str | None:  # noqa: ARG002
        """Nothing."""
        return None

    def close(self) -> None:
        """Nothing."""


class OtlpTracer:
    """Traces with OpenTelemetry's SDK; spans leave in batches from a thread of its own.

    Args:
        endpoint: address of the collector, such as ``http://127.0.0.1:4318/v1/traces``.
        sample_ratio: share of the requests that are traced, where the caller has not decided already.
        exporter: replaces the exporter to ``endpoint`` in tests.
    """

    def __init__(self, endpoint: str, sample_ratio: float, exporter: SpanExporter | None = None) -> None:
        self._provider = _provider(endpoint, sample_ratio, exporter)
        self._tracer = self._provider.get_tracer(SERVICE_NAME, __version__)

    def record(self, request: RequestTrace) -> str | None:
        """Trace a request that is answered; returns the trace's id (32 hexadecimal digits) where it is sampled."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id, set_span_in_context

        offset_ns = time.time_ns() - round(time.monotonic() * NANOSECONDS_PER_S)
        attributes = span_attributes(request)
        span = self._tracer.start_span(
            f"{attributes['http.request.method']} {request.route}",
            context=_parent(request.parent),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=_nanoseconds(request.began_at, offset_ns),
        )
        if not span.is_recording():
            return None
        if request.status >= SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
        inside = set_span_in_context(span)
        for stage, (began_at, ended_at) in request.spans.items():
            child: Span = self._tracer.start_span(
                stage,
                context=inside,
                attributes={"emoserve.busy_s": request.busy_s.get(stage, 0.0)},
                start_time=_nanoseconds(began_at, offset_ns),
            )
            child.end(_nanoseconds(ended_at, offset_ns))
        span.end()
        return format_trace_id(span.get_span_context().trace_id)

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        self._provider.force_flush(FLUSH_TIMEOUT_MS)
        self._provider.shutdown()


def make_tracer(endpoint: str | None, sample_ratio: float) -> Tracer:
    """A tracer for the settings."""
    return NoTracer() if endpoint is None else OtlpTracer(endpoint, sample_ratio)


def span_attributes(request: RequestTrace) -> dict[str, str | int | float | tuple[str, ...]]:
    """Everything that a request's span says, by OpenTelemetry's names where it has some."""
    attributes: dict[str, str | int | float | tuple[str, ...]] = {
        "http.request.method": request.method if request.method in METHODS else OTHER_METHOD,
        "http.route": request.route,
        "http.response.status_code": request.status,
    }
    if request.code != "ok":
        attributes["error.type"] = request.code
    if request.media_s is not None:
        attributes["emoserve.media_s"] = request.media_s
    if request.models:
        attributes["emoserve.models"] = request.models
    return attributes


def _nanoseconds(moment_s: float, offset_ns: int) -> int:
    return round(moment_s * NANOSECONDS_PER_S) + offset_ns


def _parent(header: str | None) -> Context | None:
    """The caller's span; a header that is malformed counts as none."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {} if header is None else {"traceparent": header}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def _provider(endpoint: str, sample_ratio: float, exporter: SpanExporter | None) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    # Made here and not by Resource.create(), which would add what the environment and the host say of themselves.
    resource = Resource({"service.name": SERVICE_NAME, "service.version": __version__})
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(sample_ratio)), resource=resource, shutdown_on_exit=False
    )
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return provider
