"""Traces: a span a request and a stage, at the right times, joined to the caller's, of allowed words alone."""

import subprocess
import sys
import time

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.pipeline.device.task import StageTimes
from service.telemetry.tracing import NoTracer, OtlpTracer, RequestTrace, make_tracer
from tests.shared_material import ROOT
from tests.support.collector import ALLOWED, collecting
from tests.support.live_server import serving, small_settings

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CANARY = "canary4711"


def request(**changes: object) -> RequestTrace:
    now = time.monotonic()
    values = {
        "method": "POST",
        "route": "/v1/audio/emotion",
        "status": 200,
        "code": "ok",
        "began_at": now - 1.0,
        "spans": {"upload": (now - 1.0, now - 0.75), "infer": (now - 0.5, now - 0.25)},
        "busy_s": {"upload": 0.25, "infer": 0.125},
        "media_s": 3.0,
        "models": ("m/1@ab",),
        "parent": None,
    }
    return RequestTrace(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> OtlpTracer:
    return OtlpTracer("unused", 1.0, exporter)


def test_a_span_for_the_request_and_each_stage(tracer: OtlpTracer, exporter: InMemorySpanExporter) -> None:
    trace_id = tracer.record(request())
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"upload", "infer", "POST /v1/audio/emotion"}
    whole, infer = spans["POST /v1/audio/emotion"], spans["infer"]
    assert f"{whole.context.trace_id:032x}" == trace_id
    assert infer.parent.span_id == whole.context.span_id
    assert (infer.start_time - whole.start_time) / 1e9 == pytest.approx(0.5, abs=1e-6)
    assert (infer.end_time - infer.start_time) / 1e9 == pytest.approx(0.25, abs=1e-6)
    assert infer.attributes["emoserve.busy_s"] == 0.125
    assert abs(whole.start_time / 1e9 + 1.0 - time.time()) < 5
    assert whole.attributes["emoserve.models"] == ("m/1@ab",)
    assert whole.status.is_unset


def test_errors_of_ours_are_errors_and_refusals_are_not(tracer: OtlpTracer, exporter: InMemorySpanExporter) -> None:
    tracer.record(request(status=422, code="media_invalid", spans={}))
    tracer.record(request(status=503, code="draining", spans={}))
    refused, failed = exporter.get_finished_spans()
    assert refused.attributes["error.type"] == "media_invalid"
    assert refused.status.is_unset
    assert failed.status.status_code.name == "ERROR"


def test_the_callers_trace_goes_on(tracer: OtlpTracer, exporter: InMemorySpanExporter) -> None:
    assert tracer.record(request(parent=PARENT)) == "0af7651916cd43dd8448eb211c80319c"
    assert exporter.get_finished_spans()[-1].parent.span_id == 0xB7AD6B7169203331


@pytest.mark.parametrize("header", ["", "nonsense", "00-0-0-01", "ff-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_malformed_parent_counts_as_none(tracer: OtlpTracer, exporter: InMemorySpanExporter, header: str) -> None:
    assert tracer.record(request(parent=header))
    assert exporter.get_finished_spans()[-1].parent is None


def test_sampling(exporter: InMemorySpanExporter) -> None:
    tracer = OtlpTracer("unused", 0.0, exporter)
    assert tracer.record(request()) is None
    assert not exporter.get_finished_spans()
    assert tracer.record(request(parent=PARENT)) is not None  # the caller has decided
    assert tracer.record(request(parent=PARENT[:-2] + "00")) is None


def test_methods_that_a_client_makes_up_are_not_repeated(tracer: OtlpTracer, exporter: InMemorySpanExporter) -> None:
    tracer.record(request(method=CANARY, spans={}))
    assert exporter.get_finished_spans()[0].name == "_OTHER /v1/audio/emotion"


def test_nothing_is_traced_or_imported_without_an_endpoint() -> None:
    assert isinstance(make_tracer(None, 1.0), NoTracer)
    code = (
        "import sys; from service.settings import Settings; from service.app import create_app; "
        "create_app(Settings()); assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


def test_stage_times_know_when_a_stage_began_first_and_ended_last() -> None:
    times = StageTimes()
    times.add("queue", 1.0, ended_ago_s=5.0)
    times.add("infer", 2.0)
    times.add("queue", 0.5)
    began_at, ended_at = times.spans["queue"]
    assert times == {"queue": 1.5, "infer": 2.0}
    assert ended_at - began_at == pytest.approx(6.0, abs=0.5)
    other = StageTimes()
    other.add("upload", 1.0)
    other.include(times)
    assert list(other) == ["upload", "queue", "infer"]
    assert other.spans.keys() == other.keys()


def test_a_collector_gets_spans_of_allowed_words_alone() -> None:
    with collecting() as (endpoint, received), serving(small_settings(otlp_endpoint=endpoint)) as live:
        file = (f"{CANARY}.wav", b"RIFF....", "audio/wav")
        answer = httpx.post(
            f"{live.url}/v1/audio/emotion?timeline=true",
            files={"file": file},
            headers={"user-agent": CANARY, "traceparent": PARENT},
        )
        assert answer.status_code == 200
        httpx.get(f"{live.url}/{CANARY}?{CANARY}=1")
        [line, _] = live.request_lines()
    assert line["trace_id"] == PARENT.split("-")[1]
    spans = [
        span
        for batch in received
        for group in batch.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    names = [span.name for span in spans]
    assert "POST /v1/audio/emotion" in names
    assert "GET unmatched" in names
    assert {"upload", "render"} <= set(names)
    assert {attribute.key for span in spans for attribute in span.attributes} <= ALLOWED
    assert CANARY.encode() not in b"".join(batch.SerializeToString() for batch in received)
    resources = {
        attribute.key for batch in received for group in batch.resource_spans for attribute in group.resource.attributes
    }
    assert resources == {"service.name", "service.version"}


def test_a_collector_that_is_gone_disturbs_nothing() -> None:
    with serving(small_settings(otlp_endpoint="http://127.0.0.1:9/v1/traces")) as live:
        assert httpx.post(f"{live.url}/v1/audio/emotion", content=b"RIFF....").status_code == 200
