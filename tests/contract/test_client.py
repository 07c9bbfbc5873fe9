"""The Python client against a real service with made-up answers, and its package on its own."""

import asyncio
import contextlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import emoserve_client
import httpx
import pytest
from emoserve_client import AsyncEmoserve, Emoserve, Job, JobState, Problem, Progress, Retries, ServiceUnreachable, Url

from service.api import event_stream
from tests.support.client_halves import MakeClient
from tests.support.far_server import RECORDING, far_server
from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import HANG_S, wait_until

CLIENT = Path(__file__).parents[2] / "client"
OF_THE_CLIENT = "httpx httpcore h11 h2 hpack hyperframe anyio certifi idna sniffio typing_extensions emoserve_client"
IMPORT_ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {allowed}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, {wheel!r})
import emoserve_client
assert emoserve_client.__file__.startswith({wheel!r}), emoserve_client.__file__
from importlib.machinery import PathFinder
real = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name == "websockets" else real(name, *more)
sys.meta_path[:] = [PathFinder]
try:
    emoserve_client.Emoserve("http://service").audio_stream(16000)
except ImportError as error:
    assert "emoserve-client[streams]" in str(error), error
else:
    raise AssertionError("streams without websockets")
print(len(emoserve_client.__all__), not {{"service", "numpy", "fastapi", "pydantic"}} & set(sys.modules))
"""


@pytest.fixture
def client(live: LiveServer, make_client: MakeClient) -> Iterator[Emoserve]:
    with make_client(live.url) as emoserve:
        yield emoserve


def test_audio_emotion(client: Emoserve, live: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "talk.wav"
    file.write_bytes(b"RIFF....")
    answer = client.audio_emotion(file, timeline=True, channel="left", hop_s=0.5)
    data, options = live.pipeline.seen[-1]
    assert data == b"RIFF...."
    assert (options.timeline, options.channel, options.hop_s) == (True, "left", 0.5)
    assert answer.emotion == answer.raw["emotion"]
    assert answer.probability(answer.emotion) == max(answer.probabilities)
    assert len(answer.timeline.arousal) == len(answer.timeline.start_s)
    assert answer.model.sha256
    with pytest.raises(ValueError, match="list"):
        answer.probability("no such class")


@pytest.mark.parametrize(
    "upload_of", [bytes, bytearray, memoryview, io.BytesIO, "path"], ids=["bytes", "array", "view", "io", "path"]
)
def test_whatever_holds_bytes_can_be_sent(client: Emoserve, live: LiveServer, tmp_path: Path, upload_of) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"RIFF....")
    assert client.audio_emotion(file if upload_of == "path" else upload_of(b"RIFF....")).emotion
    assert live.pipeline.seen[-1][0] == b"RIFF...."


def test_an_open_file_is_sent_from_where_it_stands(client: Emoserve, live: LiveServer) -> None:
    stream = io.BytesIO(b"skipRIFF....")
    stream.seek(4)
    client.audio_emotion(stream)
    assert live.pipeline.seen[-1][0] == b"RIFF...."


def test_video_and_tables(client: Emoserve) -> None:
    answer = client.video_affect(b"\0\0\0\x18ftyp", include=["action_units", "attribution"], face="largest")
    assert len(answer.action_units) == 17
    assert len(answer.attribution.arousal) == len(answer.attribution.features)
    assert answer.timeline.arousal[10] is None
    assert answer.summary["arousal"].mean <= answer.summary["arousal"].max
    assert answer.trained == "prior"
    assert client.table_affect(b"frame,timestamp", fps=25.0).models["affect"].name == "affect-prior"


@pytest.mark.parametrize(
    ("media_type", "begin"), [("text/csv", b"channel,"), ("image/png", b"\x89PNG"), ("application/fhir+json", b"{")]
)
def test_other_media_types(client: Emoserve, media_type: str, begin: bytes) -> None:
    assert client.audio_emotion_as(media_type, b"RIFF....").startswith(begin)


def test_bundles_for_a_fhir_server(client: Emoserve) -> None:
    given = {"bundle": "transaction", "subject": "Patient/17", "summary_only": True}
    for call, content in (
        (client.audio_emotion_as, b"RIFF...."),
        (client.video_affect_as, b"\0\0\0\x18ftyp"),
        (client.table_affect_as, b"frame,timestamp"),
    ):
        bundle = json.loads(call("application/fhir+json", content, **given))
        assert bundle["type"] == "transaction"
        assert bundle["entry"][0]["resource"]["subject"] == {"reference": "Patient/17"}


def test_what_the_service_says_of_itself(client: Emoserve) -> None:
    assert client.ready()
    names = [entry["card"]["name"] for entry in client.models()["models"]]
    assert client.model(names[0])["models"][0]["card"]["name"] == names[0]
    assert client.limits()["limits"]["max_body_bytes"] > 0
    assert "media_too_long" in {entry["code"] for entry in client.problems()["problems"]}


def test_refusals_are_problems(client: Emoserve) -> None:
    with pytest.raises(Problem) as caught:
        client.audio_emotion(b"RIFF....", hop_s=-1)
    problem = caught.value
    assert (problem.status, problem.code) == (422, "config_invalid")
    assert problem.errors[0]["pointer"] == "/hop_s"
    assert problem.request_id == problem.raw["request_id"]
    with pytest.raises(Problem) as caught:
        client.model("no such model")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_a_file_that_is_too_large_is_a_problem(live: LiveServer) -> None:
    """Only of the blocking half: asyncio drops an answer whose service closes before it has read the whole body."""
    with Emoserve(live.url) as emoserve, pytest.raises(Problem) as caught:
        emoserve.audio_emotion(bytes(5 * 1024 * 1024))
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")


def test_nobody_there(make_client: MakeClient) -> None:
    with make_client("http://127.0.0.1:9", retries=Retries(attempts=1)) as emoserve:
        assert not emoserve.ready()
        with pytest.raises(ServiceUnreachable):
            emoserve.models()


def test_a_recording_by_its_address(make_client: MakeClient) -> None:
    with far_server() as store, serving(small_settings(**store.settings)) as server:
        url = Url(store.presigned("talk.wav"))
        with make_client(server.url) as emoserve:
            emoserve.audio_emotion(url)
            list(emoserve.audio_emotion_events(url))
            emoserve.video_affect(url)
            with pytest.raises(TypeError):
                emoserve.make_profile([url])
        assert [content for content, _ in server.pipeline.seen] == [RECORDING] * 2
    assert "Signature" not in repr(url)


def test_a_file_that_is_not_there_is_told_before_anything_is_sent(client: Emoserve) -> None:
    with pytest.raises(FileNotFoundError):
        client.audio_emotion("no such file.wav")


def test_tasks_share_a_client(live: LiveServer) -> None:
    async def ask() -> list[object]:
        async with AsyncEmoserve(live.url) as emoserve:
            return await asyncio.gather(*[emoserve.audio_emotion(b"RIFF....") for _ in range(4)])

    first, *others = asyncio.run(ask())
    assert [other.probabilities for other in others] == [first.probabilities] * 3


def test_events_of_an_upload(client: Emoserve, live: LiveServer) -> None:
    *before, answer = client.audio_emotion_events(b"late..", timeline=True)
    assert before == [Progress(0.5)]
    assert answer.probabilities == client.audio_emotion(b"RIFF....").probabilities
    assert list(client.table_affect_events(b"frame,timestamp"))[-1].trained == "prior"
    with pytest.raises(Problem, match="media_invalid"):
        list(client.audio_emotion_events(b"lateinvalid"))
    with pytest.raises(Problem) as caught:
        list(client.video_affect_events(b"invalid"))
    assert (caught.value.status, caught.value.code) == (422, "media_invalid")
    with pytest.raises(FileNotFoundError):
        client.audio_emotion_events("no such file.wav")


def test_leaving_the_events_ends_the_work(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)

    async def leave() -> None:
        emoserve = AsyncEmoserve(live.url)
        async with emoserve, contextlib.aclosing(emoserve.audio_emotion_events(b"lateslow")) as events:
            assert await anext(events) == Progress(0.5)

    before = len(live.request_lines())
    asyncio.run(leave())
    wait_until(lambda: len(live.request_lines()) > before)
    assert live.request_lines()[-1]["code"] == "client_gone"


def test_jobs_from_beginning_to_end(tmp_path: Path, make_client: MakeClient) -> None:
    with serving_jobs(tmp_path / "state") as server, make_client(server.url) as emoserve:
        job = emoserve.submit_audio_emotion(b"gate", idempotency_key="visit-17", timeline=True)
        assert emoserve.submit_audio_emotion(b"gate", idempotency_key="visit-17", timeline=True).id == job.id
        told = []
        for event in emoserve.job_events(job.id):
            told.append(event)
            server.plans.gate.set()
        assert [event.state for event in told if isinstance(event, Job)][-1] is JobState.SUCCEEDED
        shares = [event.progress for event in told]
        assert shares == sorted(shares)
        assert emoserve.wait(job.id).state is JobState.SUCCEEDED
        assert emoserve.audio_emotion_result(job.id).timeline is not None
        assert emoserve.result_as("text/csv", job.id).startswith(b"channel,")
        assert b"Patient/17" in emoserve.result_as("application/fhir+json", job.id, subject="Patient/17")
        with pytest.raises(Problem, match="idempotency_conflict"):
            emoserve.submit_audio_emotion(b"other", idempotency_key="visit-17", timeline=True)
        emoserve.cancel(job.id)
        with pytest.raises(Problem, match="result_expired"):
            emoserve.audio_emotion_result(job.id)
        failed = emoserve.wait(emoserve.submit_audio_emotion(b"invalid").id, poll_s=0.05)
        assert (failed.state, failed.problem["code"]) == (JobState.FAILED, "media_invalid")
        with pytest.raises(Problem) as caught:
            list(emoserve.job_events("x" * 27))
        assert (caught.value.status, caught.value.code) == (404, "job_not_found")

        video = emoserve.submit_video_affect(b"ftyp", include=["action_units"])
        assert list(emoserve.job_events(video.id))[-1].state is JobState.SUCCEEDED
        assert emoserve.video_affect_result(video.id).action_units


def test_the_package_needs_nothing_of_the_service(tmp_path: Path) -> None:
    sources = shutil.copytree(CLIENT, tmp_path / "client", ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    built = subprocess.run(
        [sys.executable, "-c", build], capture_output=True, text=True, timeout=HANG_S, check=True, cwd=sources
    )
    wheel = tmp_path / built.stdout.split()[-1]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "alone")
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    assert sorted(line for line in metadata.splitlines() if line.startswith("Requires-Dist")) == [
        "Requires-Dist: anyio>=4",
        "Requires-Dist: httpx>=0.28",
        'Requires-Dist: websockets>=15; extra == "streams"',
    ]
    code = IMPORT_ALONE.format(allowed=set(OF_THE_CLIENT.split()), wheel=str(tmp_path / "alone"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG_S, cwd=tmp_path)
    assert done.stdout.split() == [str(len(emoserve_client.__all__)), "True"], done.stderr


def test_no_base_address_is_needed_twice(live: LiveServer, make_client: MakeClient) -> None:
    with make_client(live.url + "/") as emoserve:
        assert emoserve.ready()


def test_keys_are_sent_as_bearer_tokens(make_client: MakeClient) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    with make_client("http://service", "emo_key", transport=httpx.MockTransport(answer)) as emoserve:
        emoserve.limits()
    assert seen[0].headers["authorization"] == "Bearer emo_key"
