"""When the client tries again: Retry-After, broken connections, limits, and what can be sent only once."""

import email.utils
import io
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from emoserve_client import Job, JobState, Problem, Retries, ServiceUnreachable
from emoserve_client.retries import retry_after_s

from tests.support.client_halves import MakeClient, Script

BUSY = {"code": "capacity_exceeded", "title": "Busy.", "status": 503, "detail": "Busy.", "request_id": "r"}


def busy(after: str | None = "0") -> httpx.Response:
    return httpx.Response(503, json=BUSY, headers={} if after is None else {"retry-after": after})


Client = Callable[..., Any]


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    def make(script: Script, **retries: float) -> Any:
        policy = Retries(first_pause_s=0.001, **retries)
        return make_client("http://service", retries=policy, transport=httpx.MockTransport(script))

    return make


def test_retry_after_is_honoured(client: Client, pauses: list[float]) -> None:
    script = Script(
        busy("7"), httpx.Response(429, json=BUSY, headers={"retry-after": "3"}), httpx.Response(200, json={})
    )
    assert client(script).limits() == {}
    assert [round(pause) for pause in pauses] == [7, 3]


def test_the_whole_file_is_sent_again(client: Client, pauses: list[float]) -> None:
    script = Script(busy(), httpx.ConnectError("refused"), busy(None), busy())
    with pytest.raises(Problem):
        client(script).audio_emotion(io.BytesIO(b"RIFF" * 100_000))
    assert [request.content for request in script.requests] == [b"RIFF" * 100_000] * 4
    assert {request.headers["content-length"] for request in script.requests} == {"400000"}


def test_a_stream_is_sent_once(client: Client, pauses: list[float]) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    script = Script(busy())
    with pytest.raises(Problem):
        client(script).audio_emotion(Pipe(b"RIFF"))
    assert script.requests[0].content == b"RIFF"
    assert pauses == []


def test_attempts_end(client: Client, pauses: list[float]) -> None:
    script = Script(*[busy() for _ in range(9)])
    with pytest.raises(Problem) as caught:
        client(script, attempts=3).limits()
    assert caught.value.code == "capacity_exceeded"
    assert caught.value.retry_after_s == 0
    assert len(script.requests) == 3


def test_a_long_retry_after_ends_them_at_once(client: Client, pauses: list[float]) -> None:
    script = Script(busy("3600"))
    with pytest.raises(Problem) as caught:
        client(script).limits()
    assert caught.value.retry_after_s == 3600
    assert pauses == []


def test_the_pauses_of_all_attempts_are_added_up(client: Client, pauses: list[float]) -> None:
    with pytest.raises(Problem):
        client(Script(busy("6"), busy("6")), longest_s=10.0).limits()
    assert [round(pause) for pause in pauses] == [6]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422, 500, 504])
def test_other_refusals_are_final(client: Client, status: int, pauses: list[float]) -> None:
    script = Script(httpx.Response(status, json=BUSY, headers={"retry-after": "0"}))
    with pytest.raises(Problem) as caught:
        client(script).limits()
    assert caught.value.status == status
    assert pauses == []


@pytest.mark.parametrize(
    "kind", [httpx.RemoteProtocolError, httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.WriteError]
)
def test_broken_connections_are_tried_again_and_told(
    client: Client, kind: type[httpx.TransportError], pauses: list[float]
) -> None:
    script = Script(*[kind("closed") for _ in range(4)])
    with pytest.raises(ServiceUnreachable, match=f"{kind.__name__}: closed") as caught:
        client(script).limits()
    assert isinstance(caught.value.__cause__, kind)
    assert len(pauses) == 3


def test_a_slow_answer_is_not_asked_for_again(client: Client, pauses: list[float]) -> None:
    with pytest.raises(ServiceUnreachable):
        client(Script(httpx.ReadTimeout("slow"))).limits()
    assert pauses == []


def test_what_is_no_problem_document_is_told_all_the_same(client: Client) -> None:
    script = Script(httpx.Response(502, text="<html>Bad gateway</html>", headers={"x-request-id": "abc"}))
    with pytest.raises(Problem) as caught:
        client(script).limits()
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("unknown", 502, "abc")


def job(state: str, progress: float = 0.0) -> httpx.Response:
    return httpx.Response(200, json={"id": "j/1", "state": state, "progress": progress, "problem": None})


def test_jobs_are_submitted_once_and_waited_for(client: Client, pauses: list[float]) -> None:
    script = Script(busy(), job("queued"), job("running", 0.5), job("succeeded", 1.0), httpx.Response(204))
    with client(script) as emoserve:
        started = emoserve.submit_audio_emotion(b"RIFF", timeline=True)
        assert isinstance(started, Job)
        assert emoserve.wait(started.id).state is JobState.SUCCEEDED
        emoserve.cancel(started.id)
    keys = [request.headers.get("idempotency-key") for request in script.requests]
    assert keys[0] == keys[1] is not None
    assert keys[2:] == [None] * 3
    assert script.requests[1].url.params["timeline"] == "true"
    assert script.requests[2].url.raw_path == b"/v1/jobs/j%2F1"


def test_waiting_for_a_job_can_end(client: Client, pauses: list[float]) -> None:
    script = Script(*[job("running")] * 5)
    with pytest.raises(TimeoutError, match="running"):
        client(script).wait("j", timeout_s=0.5)  # less than the second until it would ask again
    assert pauses == []


def test_options_become_parameters(client: Client, pauses: list[float]) -> None:
    script = Script(job("queued"), httpx.Response(200, json={}))
    with client(script) as emoserve:
        emoserve.submit_video_affect(b"ftyp", include=["audio", "attribution"], neutral="none", face=None)
        emoserve.model("a/b", "1?")
    assert dict(script.requests[0].url.params) == {"include": "audio,attribution", "neutral": "none"}
    assert script.requests[1].url.raw_path == b"/v1/models/a%2Fb/1%3F"


@pytest.mark.parametrize(("value", "seconds"), [(None, None), ("2", 2), ("0.5", 0.5), ("-3", 0), ("soon", None)])
def test_retry_after(value: str | None, seconds: float | None) -> None:
    headers = {} if value is None else {"retry-after": value}
    assert retry_after_s(httpx.Response(503, headers=headers)) == seconds


@pytest.mark.parametrize(("ahead_s", "bounds"), [(100, (95, 101)), (-100, (0, 0))])
def test_retry_after_as_a_date(ahead_s: float, bounds: tuple[float, float]) -> None:
    date = email.utils.formatdate(time.time() + ahead_s, usegmt=True)
    found = retry_after_s(httpx.Response(503, headers={"retry-after": date}))
    assert bounds[0] <= found <= bounds[1]


def test_pauses_grow_and_stay_within_bounds() -> None:
    policy = Retries(attempts=20, first_pause_s=1.0)
    bounds: Callable[[int], list[float]] = lambda attempt: [policy.pause_s(attempt, 0.0, None) for _ in range(200)]  # noqa: E731
    assert 0 <= min(bounds(1)) <= max(bounds(1)) <= 1
    assert 4 < max(bounds(4)) <= 8
    assert policy.pause_s(20, 0.0, None) is None
    assert policy.pause_s(1, 59.9, 5.0) is None
    told = {policy.pause_s(1, 0.0, 5.0) for _ in range(20)}  # those who were refused together come back apart
    assert 5 <= min(told) < max(told) <= 5.1
