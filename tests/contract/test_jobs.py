"""``/v1/jobs``: every call, every state, every refusal, on a real socket with a real engine."""

import json
import re
from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from service.access.caller import ANONYMOUS
from service.api.answer_query import AnswerQuery
from service.api.answers import ANSWER_MEDIA_TYPES
from service.app import create_app
from service.http.negotiation import FHIR
from service.pipeline.audio_options import AudioOptions
from service.problems import CapacityExceeded, NoSpace
from service.settings import Settings
from tests.support.fake_jobs import SEGMENTS
from tests.support.job_server import AUDIO, VIDEO, JobServer, ended, serving_jobs, submit
from tests.support.live_server import LiveServer
from tests.support.patience import wait_until
from tests.support.server_events import event_fields

NO_JOB = "/v1/jobs/" + "x" * 27


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    with serving_jobs(tmp_path_factory.mktemp("jobs") / "state", max_jobs=3, job_workers=2, job_list=True) as server:
        yield server


@pytest.fixture
def client(server: JobServer) -> Iterator[httpx.Client]:
    server.plans.shut_gate()
    with httpx.Client(base_url=server.url) as client:
        yield client
    server.plans.gate.set()
    wait_until(lambda: server.jobs._ledger.unfinished() == 0)


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_without_credentials_the_setting_alone_opens_the_list(client: httpx.Client) -> None:
    known = ended(client, submit(client))
    assert client.get("/v1/jobs", params={"limit": 1}).json()["jobs"] == [known]


def test_a_job_from_beginning_to_end(server: JobServer, client: httpx.Client) -> None:
    answer = client.post(AUDIO, content=b"sound", params={"timeline": "true"})
    assert answer.status_code == 202
    address = answer.headers["location"]
    first = answer.json()
    assert address == f"/v1/jobs/{first['id']}"
    assert (first["kind"], first["state"], first["progress"]) == ("audio-emotion", "queued", 0.0)
    assert (first["size_bytes"], first["started_at"], first["problem"]) == (5, None, None)
    job = ended(client, address)
    assert (job["state"], job["progress"], job["problem"]) == ("succeeded", 1.0, None)
    moments = [
        datetime.fromisoformat(job[f"{name}_at"]) for name in ("created", "started", "finished", "result_expires")
    ]
    assert moments == sorted(moments)
    assert server.room.asked_s == {server.live.services.settings.job_segment_s}
    result = client.get(f"{address}/result", headers={"x-request-id": "mine"})
    direct = client.post("/v1/audio/emotion?timeline=true", content=b"sound", headers={"x-request-id": "mine"})
    assert result.content == direct.content


def test_a_job_begins_while_the_engine_rests(server: JobServer, client: httpx.Client) -> None:
    first = submit(client)
    ended(client, first)
    engine = server.jobs._engine
    assert engine is not None
    wait_until(lambda: not engine._attended)
    server.jobs._sweeper.sweep()
    assert not engine._is_awake
    assert client.get(f"{first}/result").status_code == 200
    assert ended(client, submit(client))["state"] == "succeeded"
    assert engine._is_awake


@pytest.mark.parametrize("media_type", [one for one in ANSWER_MEDIA_TYPES if one != "text/event-stream"])
@pytest.mark.parametrize(("address", "query"), [(AUDIO, ""), (VIDEO, "?include=action_units")])
def test_results_come_as_the_call_without_a_job_gives_them(client, address, query, media_type) -> None:
    job = submit(client, address=address + query)
    ended(client, job)
    answer = client.get(f"{job}/result", headers={"accept": media_type})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.headers["cache-control"] == "no-store"
    for absent in ("application/xml", "text/event-stream", "application/fhir+json; fhirVersion=1.0"):
        assert code(client.get(f"{job}/result", headers={"accept": absent})) == (406, "not_acceptable")


def test_fewer_parts_than_the_job_has_are_read_where_a_form_has_no_room_for_all(client: httpx.Client) -> None:
    job = submit(client, address=VIDEO + "?include=action_units,attribution")
    ended(client, job)
    assert code(client.get(f"{job}/result", headers={"accept": "text/csv"})) == (406, "not_acceptable")
    less = client.get(f"{job}/result?include=action_units", headers={"accept": "text/csv"})
    assert b"AU12" in less.content
    assert b"AU12" not in client.get(f"{job}/result?include=", headers={"accept": "text/csv"}).content
    assert client.get(f"{job}/result?include=action_units").json().keys() & {"action_units", "attribution"} == {
        "action_units"
    }
    assert code(client.get(f"{job}/result?include=boxes")) == (404, "not_found")
    assert code(client.get(f"{job}/result?include=hats")) == (422, "config_invalid")


def test_parts_of_a_sound_are_read_as_far_as_a_form_has_room(client: httpx.Client) -> None:
    job = submit(client, address=AUDIO + "?segments=true&voice_activity=true")
    ended(client, job)
    assert client.get(f"{job}/result").json().keys() >= {"segments", "voice_activity"}
    for media_type in ("text/csv", FHIR):
        assert code(client.get(f"{job}/result", headers={"accept": media_type})) == (406, "not_acceptable")
        assert client.get(f"{job}/result?include=", headers={"accept": media_type}).status_code == 200
    assert b"speech_level_db" in client.get(f"{job}/result?include=segments", headers={"accept": "text/csv"}).content
    assert code(client.get(f"{job}/result?include=boxes")) == (404, "not_found")


@pytest.mark.parametrize("version", ["4.0", "4.3", "5.0"])
@pytest.mark.parametrize("address", [AUDIO, VIDEO])
def test_results_come_as_fhir_of_each_version(client: httpx.Client, address: str, version: str) -> None:
    job = submit(client, address=address)
    ended(client, job)
    answer = client.get(f"{job}/result", headers={"accept": f"{FHIR}; fhirVersion={version}"})
    assert answer.headers["content-type"] == f"{FHIR}; fhirVersion={version}"
    assert (answer.json()["resourceType"], answer.json()["type"]) == ("Bundle", "collection")


def test_multipart_is_taken_too(client: httpx.Client) -> None:
    answer = client.post(AUDIO, files={"file": ("secret.wav", b"sound" * 1000)})
    assert (answer.status_code, answer.json()["size_bytes"]) == (202, 5000)
    assert ended(client, answer.headers["location"])["state"] == "succeeded"


def test_progress_is_what_is_written_down(server: JobServer, client: httpx.Client) -> None:
    job = submit(client, b"gate")
    wait_until(lambda: client.get(job).json()["progress"] == 1 / SEGMENTS)
    assert client.get(job).json()["state"] == "running"
    assert code(client.get(f"{job}/result")) == (409, "job_not_ready")
    server.plans.gate.set()
    assert ended(client, job)["progress"] == 1.0


@pytest.mark.parametrize(("body", "problem"), [(b"invalid", "media_invalid"), (b"bug", "internal_error")])
def test_a_failed_job_says_why(server: JobServer, client: httpx.Client, body: bytes, problem: str) -> None:
    job = submit(client, body)
    state = ended(client, job)
    assert state["state"] == "failed"
    assert state["problem"]["code"] == problem
    assert state["problem"]["title"]
    assert code(client.get(f"{job}/result")) == (409, "job_not_succeeded")
    assert client.get("/v2/health/ready").status_code == 200
    assert (
        server.jobs.find(job.rpartition("/")[2], ANONYMOUS.owner).job_key is None
    )  # whatever lies there, none can read
    wait_until(lambda: not list((server.state_dir / "spool").glob("*/upload")))


def test_what_is_not_the_recordings_fault_is_tried_again(server: JobServer, client: httpx.Client) -> None:
    server.plans.tired = 1
    server.room.problems = [CapacityExceeded()]
    assert ended(client, submit(client, b"tired"))["state"] == "succeeded"


def test_delete_cancels_what_runs(server: JobServer, client: httpx.Client) -> None:
    job = submit(client, b"gate")
    wait_until(lambda: client.get(job).json()["state"] == "running")
    answer = client.delete(job)
    assert (answer.status_code, answer.content) == (204, b"")
    state = client.get(job).json()
    assert state["state"] == "cancelled"
    assert state["finished_at"]
    assert code(client.get(f"{job}/result")) == (409, "job_not_succeeded")
    assert client.delete(job).status_code == 204
    wait_until(lambda: not server.jobs._runner._live)
    assert server.jobs._queue.free == 2
    assert not [line for line in server.live.log_lines() if line["level"] == "error" and line["logger"] == "dbos"]


def test_delete_cancels_what_waits(server: JobServer, client: httpx.Client) -> None:
    running = [submit(client, b"gate") for _ in range(2)]
    waiting = submit(client, b"gate")
    assert client.delete(waiting).status_code == 204
    assert client.get(waiting).json()["state"] == "cancelled"
    assert client.get(waiting).json()["started_at"] is None
    server.plans.gate.set()
    assert [ended(client, job)["state"] for job in running] == ["succeeded"] * 2


def test_a_result_whose_files_are_gone_is_no_bug(server: JobServer, client: httpx.Client) -> None:
    job = submit(client)
    ended(client, job)
    for path in (server.state_dir / "spool").glob("*/result"):
        path.write_bytes(b"damage")
    assert code(client.get(f"{job}/result")) == (410, "job_data_lost")


def test_an_idempotency_key_makes_one_job(client: httpx.Client) -> None:
    headers = {"idempotency-key": "one"}
    first = client.post(AUDIO, content=b"gate", headers=headers)
    again = client.post(AUDIO, files={"file": ("x.wav", b"gate")}, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.headers["location"] == again.headers["location"]
    assert again.json()["id"] == first.json()["id"]
    assert client.post(AUDIO, content=b"x", headers={"idempotency-key": "two"}).status_code == 202


REFUSED = {
    "no such model": ({"model": "none"}, 404, "model_not_found"),
    "no such parameter": ({"hop": 1}, 422, "config_invalid"),
    "a bad parameter": ({"hop_s": -1}, 422, "config_invalid"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_parameters_are_refused_as_without_a_job(server: JobServer, client: httpx.Client, case: str) -> None:
    parameters, status, problem = REFUSED[case]
    before = sorted((server.state_dir / "spool").iterdir())
    assert code(client.post(AUDIO, content=b"x", params=parameters)) == (status, problem)
    assert sorted((server.state_dir / "spool").iterdir()) == before


def test_more_jobs_than_may_wait_are_refused(server: JobServer, client: httpx.Client) -> None:
    shed = server.live.services.metrics.shed_total.labels("capacity_exceeded")._value
    before, jobs = shed.get(), [submit(client, b"gate") for _ in range(3)]
    answer = client.post(AUDIO, content=b"x")
    assert shed.get() == before + 1
    assert code(answer) == (503, "capacity_exceeded")
    assert int(answer.headers["retry-after"]) >= 1
    for job in jobs:
        client.delete(job)


def test_of_uploads_at_once_only_as_many_become_jobs_as_may_wait(server: JobServer, client: httpx.Client) -> None:
    """All of them began while there was room."""
    before = set(server.jobs.spool.handles())
    uploads = [server.jobs.receive(AudioOptions(), ANONYMOUS.owner, None, 4) for _ in range(4)]
    for upload in uploads:
        upload.extend(b"gate")
    jobs = [upload.finish() for upload in uploads[:3]]
    with pytest.raises(CapacityExceeded):
        uploads[3].finish()
    for upload in uploads:
        upload.abandon()
    assert set(server.jobs.spool.handles()) - before == {job.handle for job in jobs}
    for job in jobs:
        server.jobs.delete(job)


def test_a_full_disk_is_507(server: JobServer, client: httpx.Client, monkeypatch) -> None:
    monkeypatch.setattr("service.jobs.spool.RESERVE_BYTES", 2**62)
    before = set((server.state_dir / "spool").iterdir())
    assert code(client.post(AUDIO, content=b"x")) == (507, "no_space")
    monkeypatch.undo()
    upload = server.jobs.receive(AudioOptions(), ANONYMOUS.owner, None, 0)  # of a length that nobody declared
    monkeypatch.setattr("service.jobs.spool.RESERVE_BYTES", 2**62)
    upload.extend(b"x")
    with pytest.raises(NoSpace):
        upload.flush()
    upload.abandon()
    assert set((server.state_dir / "spool").iterdir()) <= before  # jobs of other tests may end and go


def read_events(client: httpx.Client, address: str, **headers: str) -> list[tuple[str, str, dict]]:
    """(id, event, data) of all events until the stream ends."""
    answer = client.get(f"{address}/events", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [(found["id"], found["event"], json.loads(found["data"])) for found in event_fields(answer.text)]


def test_events_tell_the_way_to_the_end(server: JobServer, client: httpx.Client) -> None:
    job = submit(client, b"gate")
    wait_until(lambda: client.get(job).json()["progress"] > 0)
    with httpx.stream("GET", f"{server.url}{job}/events") as answer:
        text = ""
        for piece in answer.iter_text():
            text += piece
            if "event: state" in text:
                server.plans.gate.set()
    states = [json.loads(data)["state"] for data in re.findall(r"event: state\ndata: (.*)", text)]
    assert (states[0], states[-1]) == ("running", "succeeded")


def test_events_go_on_after_the_last_one_that_was_seen(client: httpx.Client) -> None:
    job = submit(client)
    ended(client, job)
    ((last_id, event, data),) = read_events(client, job)
    assert (event, data["state"]) == ("state", "succeeded")
    assert client.get(f"{job}/events", headers={"last-event-id": last_id}).status_code == 204
    assert [event for _, event, _ in read_events(client, job, **{"last-event-id": "running-0.5000"})] == ["state"]


def test_comments_keep_the_line_alive(server: JobServer, client: httpx.Client, monkeypatch) -> None:
    monkeypatch.setattr("service.api.job_events.HEARTBEAT_S", 0.0)
    monkeypatch.setattr("service.api.job_events.LOOK_S", 0.01)
    job = submit(client, b"gate")
    with httpx.stream("GET", f"{server.url}{job}/events") as answer:
        text = ""
        for piece in answer.iter_text():
            text += piece
            if text.count(": ping") >= 3:
                break
    client.delete(job)
    assert text.count(": ping") >= 3


def test_the_limits_of_jobs_are_told(client: httpx.Client) -> None:
    told = client.get("/v1/limits").json()
    jobs, limits = told["jobs"], told["limits"]
    assert (jobs["enabled"], jobs["max_jobs"], jobs["max_body_bytes"]) == (True, 3, 1_000_000)
    assert (jobs["max_duration_s"], jobs["result_ttl_s"]) == (12 * 3600, 24 * 3600)
    assert jobs["max_frames"] == 12 * limits["max_frames"]


def test_jobs_that_are_switched_off_are_told(live: LiveServer) -> None:
    for method, address in (("POST", AUDIO), ("GET", NO_JOB), ("GET", f"{NO_JOB}/result"), ("DELETE", NO_JOB)):
        answer = httpx.request(method, live.url + address, content=b"x" if method == "POST" else None)
        assert code(answer) == (503, "jobs_unavailable")


def test_the_document_describes_all_of_it() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    assert {path for path in paths if path.startswith("/v1/jobs")} == {
        AUDIO,
        VIDEO,
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/result",
    }
    submit_call = paths[AUDIO]["post"]
    direct = paths["/v1/audio/emotion"]["post"]
    names = {parameter["name"] for parameter in submit_call["parameters"]}
    of_form = set(AnswerQuery.model_fields)
    assert names == {parameter["name"] for parameter in direct["parameters"]} - of_form | {
        "Idempotency-Key",
        "callback",
    }
    result = paths["/v1/jobs/{job_id}/result"]["get"]["parameters"]
    assert {parameter["name"] for parameter in result} == of_form | {"job_id", "include"}
    assert {"200", "202", "409", "413", "503", "507"} <= set(submit_call["responses"])
    assert "Location" in submit_call["responses"]["202"]["headers"]
    result = paths["/v1/jobs/{job_id}/result"]["get"]["responses"]
    assert set(result["200"]["content"]) == {*ANSWER_MEDIA_TYPES} - {"text/event-stream"}
    assert {"404", "409", "410"} <= set(result)
