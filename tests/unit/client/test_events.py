"""The client reads events that are cut anywhere, of unknown kinds, refused, broken off, and resumed."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from emoserve_client import (
    AffectRows,
    AudioEmotion,
    Job,
    JobState,
    Problem,
    Progress,
    Retries,
    ServiceUnreachable,
    Window,
)
from emoserve_client.server_events import EventDecoder, ServerEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.answers import AnswerForm, audio_answer
from service.pipeline.audio_options import AudioOptions
from tests.support.client_halves import MakeClient, Script
from tests.support.fakes import fake_result

pytestmark = pytest.mark.usefixtures("pauses")

EVENT_HEADERS = {"content-type": "text/event-stream"}
ANSWER = json.loads(audio_answer(fake_result(), AnswerForm("application/json"), "r-1", AudioOptions(timeline=True)))
WINDOW = {"index": 0, "start_s": 0.0, "end_s": 1.0, "channel": "mix", "probabilities": {"anger": 1.0}}
WINDOW |= {"emotion": "anger", "arousal": 0.5, "valence": None, "speech": 1.0}
RAW = (
    "\ufeffevent: a\ndata: one\u2028line\ndata: two\nid: 7\n\n: ping\r\n\r\nretry: 250\rdata:x\rdata\r\revent: lost\n"
    "id: 8\0\nretry: 2\u00b2\n\n"
)


def event(name: str, document: object, **more: object) -> bytes:
    lines = [f"event: {name}", f"data: {json.dumps(document)}", *(f"{key}: {value}" for key, value in more.items())]
    return ("\n".join(lines) + "\n\n").encode()


class Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off behind ``pieces``."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        raise httpx.ReadError("reset")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        raise httpx.ReadError("reset")


def events(*pieces: bytes) -> httpx.Response:
    return httpx.Response(200, content=b"".join(pieces), headers=EVENT_HEADERS)


def broken(*pieces: bytes) -> httpx.Response:
    return httpx.Response(200, stream=Breaking(*pieces), headers=EVENT_HEADERS)


def busy(after: str) -> httpx.Response:
    return httpx.Response(503, json={"code": "capacity_exceeded"}, headers={"retry-after": after})


Ask = Callable[..., list[object]]


@pytest.fixture
def ask(make_client: MakeClient) -> Ask:
    """Collects what a method of the client yields, before it raises."""

    def collect(script: Script, method: str, *arguments: object, into: list[object], **options: object) -> list[object]:
        transport = httpx.MockTransport(script)
        with make_client("http://service", retries=Retries(first_pause_s=0.001), transport=transport) as emoserve:
            for each in getattr(emoserve, method)(*arguments, **options):
                into.append(each)
        return into

    return collect


@given(st.lists(st.integers(0, len(RAW.encode())), max_size=8))
@settings(max_examples=200)
def test_events_do_not_depend_on_where_they_are_cut(cuts: list[int]) -> None:
    content, decoder, found = RAW.encode(), EventDecoder(), []
    places = [0, *sorted(cuts), len(content)]
    for begin, end in itertools.pairwise(places):
        found += decoder.feed(content[begin:end])
    # A mark of byte order is taken off, an event without data is none, and neither counts an id with a zero in it
    # nor a pause that is no number.
    assert found == [ServerEvent("a", "one\u2028line\ntwo"), ServerEvent("message", "x\n")]
    assert (decoder.last_id, decoder.retry_s, decoder.comments) == ("7", 0.25, 1)


def test_an_upload_tells_its_events_and_then_its_answer(ask: Ask) -> None:
    told = [event("progress", {"progress": 0.5}), event("window", WINDOW), b": ping\n\n", event("new", {"a": 1})]
    script = Script(events(*told, event("result", ANSWER)))
    progress, window, answer = ask(script, "audio_emotion_events", b"RIFF", timeline=True, into=[])
    assert progress == Progress(0.5)
    assert isinstance(window, Window)
    assert (window.index, window.channel, window.probabilities, window.valence) == (0, "mix", {"anger": 1.0}, None)
    assert isinstance(answer, AudioEmotion)
    assert answer.raw == ANSWER
    (request,) = script.requests
    assert request.headers["accept"] == "text/event-stream"
    assert (request.content, request.url.params["timeline"]) == (b"RIFF", "true")


def test_rows_of_a_face_are_typed(ask: Ask) -> None:
    rows = {"time_s": [0.0], "arousal": [0.1], "valence": [None], "face_confidence": [0.9], "face": 0, "final": True}
    into: list[object] = []
    with pytest.raises(ServiceUnreachable, match="before the answer"):
        ask(Script(events(event("affect", rows))), "video_affect_events", b"ftyp", into=into)
    assert into == [AffectRows([0.0], [0.1], [None], [0.9], 0, True, rows)]


def test_a_problem_on_the_way_is_raised_with_its_code(ask: Ask) -> None:
    problem = {"code": "media_invalid", "status": 422, "title": "t", "detail": "d", "request_id": "r-9"}
    into: list[object] = []
    script = Script(events(event("progress", {"progress": 0.1}), event("problem", problem)))
    with pytest.raises(Problem) as caught:
        ask(script, "table_affect_events", b"frame", into=into)
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("media_invalid", 422, "r-9")
    assert into == [Progress(0.1)]


def test_before_the_first_event_retries_are_those_of_other_calls(ask: Ask, pauses: list[float]) -> None:
    script = Script(busy("7"), httpx.ConnectError("refused"), broken(b": ping\n\n"), events(event("result", ANSWER)))
    (answer,) = ask(script, "audio_emotion_events", b"RIFF", into=[])
    assert isinstance(answer, AudioEmotion)
    assert [request.content for request in script.requests] == [b"RIFF"] * 4
    assert round(pauses[0]) == 7


def test_after_the_first_event_there_is_no_second_request(ask: Ask, pauses: list[float]) -> None:
    script = Script(broken(event("progress", {"progress": 0.1})))
    with pytest.raises(ServiceUnreachable, match="ReadError"):
        ask(script, "audio_emotion_events", b"RIFF", into=[])
    assert (len(script.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    ("status", "code", "call"),
    [(422, "config_invalid", ("audio_emotion_events", b"x")), (404, "job_not_found", ("job_events", "j"))],
)
def test_a_refusal_is_a_problem(ask: Ask, status: int, code: str, call: tuple[str, object]) -> None:
    with pytest.raises(Problem) as caught:
        ask(Script(httpx.Response(status, json={"code": code})), *call, into=[])
    assert caught.value.code == code


GREETING = b": job\nretry: 1500\n\n"


def state(name: str, progress: float = 0.0) -> bytes:
    return event("state", {"id": "j/1", "state": name, "progress": progress}, id=f"{name}-{progress}")


CUT = b'event: state\ndata: {"id'  # what came of an event before its connection broke does not count


def test_a_job_is_followed_over_breaks_and_restarts(ask: Ask, pauses: list[float]) -> None:
    script = Script(
        events(GREETING, state("queued")),  # the service stops: the stream of events ends
        httpx.ConnectError("refused"),
        busy("3"),
        broken(GREETING, state("running", 0.1), event("progress", {"progress": 0.5}, id="running-0.5"), CUT),
        events("\ufeff".encode(), state("succeeded", 1.0)),
    )
    told = ask(script, "job_events", "j/1", into=[])
    assert [each.state if isinstance(each, Job) else each.progress for each in told] == [
        JobState.QUEUED,
        JobState.RUNNING,
        0.5,
        JobState.SUCCEEDED,
    ]
    assert [request.headers.get("last-event-id") for request in script.requests] == [
        None,
        *["queued-0.0"] * 3,
        "running-0.5",
    ]
    assert {request.url.raw_path for request in script.requests} == {b"/v1/jobs/j%2F1/events"}
    assert [round(pause, 1) for pause in pauses][0::3] == [1.5, 1.5]
    assert round(pauses[2]) == 3


def test_nothing_new_of_a_job_that_has_ended(ask: Ask) -> None:
    script = Script(httpx.Response(204))
    assert ask(script, "job_events", "j", last_event_id="succeeded-1.0000", into=[]) == []
    assert script.requests[0].headers["last-event-id"] == "succeeded-1.0000"


def test_events_that_name_no_pause_are_asked_for_again_after_a_while(ask: Ask, pauses: list[float]) -> None:
    ask(Script(events(state("running")), events(state("succeeded"))), "job_events", "j", into=[])
    assert pauses == [2.0]


@pytest.mark.parametrize("before", [(), (state("running"),)], ids=["from the beginning", "any more"])
def test_a_job_that_never_says_anything_is_given_up(ask: Ask, pauses: list[float], before: tuple[bytes, ...]) -> None:
    script = Script(*[events(GREETING, each) for each in before], *[events(GREETING)] * 4)
    with pytest.raises(ServiceUnreachable, match="before the job"):
        ask(script, "job_events", "j", into=[])
    assert len(pauses) == 3 + len(before)


def test_a_job_that_is_alive_is_not_given_up(ask: Ask) -> None:
    quiet = [events(GREETING, b": ping\n\n") for _ in range(9)]  # a proxy that ends long responses
    (job,) = ask(Script(*quiet, events(GREETING, state("failed"))), "job_events", "j", into=[])
    assert job.state is JobState.FAILED
