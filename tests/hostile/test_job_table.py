"""Hostile jobs: ids, keys and event ids that cannot be, uploads that break off, and many clients at one job."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from service.jobs.job import Job
from service.jobs.jobs import Jobs
from tests.hostile.job_cases import BROKEN_BODIES, EVENT_IDS, IDEMPOTENCY_KEYS, IDS, MULTIPART
from tests.support import raw_http, server_events
from tests.support.fake_jobs import SEGMENTS
from tests.support.job_server import AUDIO, VIDEO, JobServer, ended, serving_jobs, submit
from tests.support.live_server import connected, exchange
from tests.support.patience import HANG_S, wait_until

LIMIT_BYTES = 1_000_000
MANY = 10


class Clock:
    """The wall clock, which may be moved."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[JobServer]:
    folder = tmp_path_factory.mktemp("jobs") / "state"
    with serving_jobs(folder, clock, max_jobs=50, job_workers=2, limits={"body_timeout_s": 1.0}) as server:
        yield server


@pytest.fixture
def client(server: JobServer, clock: Clock) -> Iterator[httpx.Client]:
    server.plans.shut_gate()
    with httpx.Client(base_url=server.url) as client:
        yield client
        server.plans.gate.set()
        assert client.get("/v2/health/ready").status_code == 200
    clock.ahead_s = 0.0
    for job in server.jobs._ledger.all():
        server.jobs.delete(job)
    wait_until(lambda: not server.jobs._runner._live)
    wait_until(lambda: spool(server) == [])
    assert server.jobs._queue.free == 2
    assert server.live.services.uploads.uploads == 0
    assert not [line for line in server.live.request_lines() if line["status"] == 500]


def spool(server: JobServer) -> list[str]:
    return sorted(path.name for path in (server.state_dir / "spool").iterdir())


def running(client: httpx.Client, job: str) -> None:
    wait_until(lambda: client.get(job).json()["progress"] == 1 / SEGMENTS)


def at_once(call: Callable[[int], httpx.Response], count: int = MANY) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


@pytest.mark.job_row("ids")
@pytest.mark.parametrize("case", IDS)
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("GET", "/result"), ("GET", "/events")])
def test_ids_that_cannot_be(server: JobServer, client: httpx.Client, case: str, method: str, rest: str) -> None:
    request = f"{method} /v1/jobs/{IDS[case]}{rest} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    (answer,) = exchange(server.live.port, request.encode())
    assert answer.status == 404 or (case == "20 KB" and answer.status == 431)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] in ("job_not_found", "not_found", "headers_too_large", "method_not_allowed")
    assert b"passwd" not in answer.body


@pytest.mark.job_row("idempotency keys")
@pytest.mark.parametrize("case", IDEMPOTENCY_KEYS)
def test_idempotency_keys_that_cannot_be(server: JobServer, client: httpx.Client, case: str) -> None:
    headers = b"".join(b"Idempotency-Key: %b\r\n" % key for key in IDEMPOTENCY_KEYS[case])
    (answer,) = exchange(server.live.port, raw_http.post(AUDIO, 5, headers) + b"sound")
    assert (answer.status, answer.json["code"]) == (400, "http_invalid")
    assert spool(server) == []


@pytest.mark.job_row("same key")
def test_one_key_for_other_requests(server: JobServer, client: httpx.Client) -> None:
    headers = {"idempotency-key": "k" * 255}
    job = client.post(AUDIO, content=b"gate", headers=headers)
    (folder,) = spool(server)
    for address, body, parameters in (
        (AUDIO, b"gate!", {}),
        (AUDIO, b"gat", {}),
        (AUDIO, b"gate", {"timeline": "true"}),
        (VIDEO, b"gate", {}),
    ):
        answer = client.post(address, content=body, params=parameters, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    server.plans.gate.set()
    assert ended(client, job.headers["location"])["state"] == "succeeded"
    assert client.post(AUDIO, content=b"other", headers=headers).status_code == 409  # the job has ended, the key lives
    assert client.post(AUDIO, content=b"gate", headers=headers).status_code == 200
    assert spool(server) == [folder]


@pytest.mark.job_row("same key")
def test_one_key_twenty_times_at_once(server: JobServer, client: httpx.Client) -> None:
    headers = {"idempotency-key": "at-once"}
    answers = at_once(lambda number: client.post(AUDIO, content=b"gate%d" % (number % 2), headers=headers), 20)
    assert [answer.status_code for answer in answers].count(202) == 1
    assert {answer.status_code for answer in answers} == {200, 202, 409}
    assert len({answer.headers["location"] for answer in answers if answer.status_code < 300}) == 1
    assert len(spool(server)) == 1


def read_events(
    client: httpx.Client, job: str, begun: threading.Semaphore | None = None, **headers: str
) -> list[tuple[str, dict]]:
    """(event, data) of all events until the stream ends; tells ``begun`` of the first."""
    text = ""
    with client.stream("GET", f"{job}/events", headers=headers) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_text():
            if begun is not None and "event: state" in piece:
                begun.release()
            text += piece
    return [(event, json.loads(data)) for event, data in server_events.read_events(text)]


@pytest.mark.job_row("event ids")
@pytest.mark.parametrize("last", EVENT_IDS, ids=lambda last: ascii(last[:20]))
def test_event_ids_that_cannot_be(server: JobServer, client: httpx.Client, last: str) -> None:
    job = submit(client)
    assert ended(client, job)["state"] == "succeeded"
    request = f"GET {job}/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nLast-Event-ID: {last}\r\n\r\n"
    with connected(server.live.port) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    if b"\x0b" in request.encode("latin-1"):
        assert answer.startswith(b"HTTP/1.1 400 ")
        return
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"event: state") == 1
    assert b'"state":"succeeded"' in answer


@pytest.mark.job_row("slow body")
@pytest.mark.parametrize(
    ("pause_s", "sent", "whole_s"), [(1.5, b"x", 60.0), (0.1, b"x", 60.0), (0.1, b"x" * 36_000, 2.0)]
)
def test_bodies_that_are_too_slow(
    server: JobServer,
    client: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    pause_s: float,
    sent: bytes,
    whole_s: float,
) -> None:
    """Pauses, drips, comes steadily for too long."""
    services = server.live.services
    settings = services.settings.model_copy(update={"job_upload_timeout_s": whole_s})
    monkeypatch.setattr(services, "settings", settings)
    with connected(server.live.port) as connection:
        connection.sendall(raw_http.post(AUDIO, 900_000) + b"sound")
        answer = b""
        while not answer:
            connection.settimeout(pause_s)
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                connection.sendall(sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body_timeout"' in answer
    assert spool(server) == []


@pytest.mark.job_row("aborted body")
@pytest.mark.parametrize("kind", ["audio/wav", "multipart/form-data; boundary=limit0"])
def test_clients_that_leave_while_they_upload(server: JobServer, client: httpx.Client, kind: str) -> None:
    head = raw_http.post(AUDIO, 900_000, b"Content-Type: %b\r\n" % kind.encode())
    connections = []
    for _ in range(MANY):
        connections.append(connected(server.live.port))
        connections[-1].sendall(head + (MULTIPART if "multipart" in kind else b"") + b"sound" * 1000)
    wait_until(lambda: len(spool(server)) == MANY)
    for connection in connections:
        connection.close()
    wait_until(lambda: spool(server) == [])
    assert server.jobs._ledger.unfinished() == 0


@pytest.mark.job_row("too large")
def test_bodies_over_the_limit(server: JobServer, client: httpx.Client) -> None:
    over = bytes(LIMIT_BYTES + 1)

    def pieces() -> Iterator[bytes]:
        yield from (over[start : start + 65536] for start in range(0, len(over), 65536))

    for content in (over, pieces()):
        answer = client.post(AUDIO, content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    for promised, status in (("10000000000", 413), ("9" * 19, 413), ("-1", 400), ("5e3", 400)):
        assert exchange(server.live.port, raw_http.post(AUDIO, promised))[0].status == status
    assert spool(server) == []
    assert client.post(AUDIO, content=bytes(LIMIT_BYTES)).status_code == 202


@pytest.mark.job_row("broken body")
@pytest.mark.parametrize("case", BROKEN_BODIES)
def test_bodies_that_are_broken(server: JobServer, client: httpx.Client, case: str) -> None:
    headers, body, status, code = BROKEN_BODIES[case]
    answer = client.post(AUDIO, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert spool(server) == []


@pytest.mark.job_row("deleted twice")
@pytest.mark.parametrize("body", [b"sound", b"gate"])
def test_deleted_again_and_again(server: JobServer, client: httpx.Client, body: bytes) -> None:
    job = submit(client, body)
    running(client, job) if body == b"gate" else ended(client, job)
    answers = at_once(lambda _: client.delete(job))
    assert {answer.status_code for answer in answers} == {204}
    assert client.delete(job).status_code == 204
    assert client.get(job).json()["state"] == ("cancelled" if body == b"gate" else "expired")
    wait_until(lambda: spool(server) == [])


@pytest.mark.job_row("deleted while read")
def test_deleted_while_its_result_is_read(server: JobServer, client: httpx.Client, monkeypatch) -> None:
    job = submit(client)
    ended(client, job)
    whole = client.get(f"{job}/result", headers={"x-request-id": "same"}).content
    found, go_on = threading.Event(), threading.Event()
    real = Jobs.result

    def slowly(jobs: Jobs, known: Job) -> object:
        found.set()
        go_on.wait(HANG_S)
        return real(jobs, known)

    monkeypatch.setattr(Jobs, "result", slowly)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(client.get, f"{job}/result")
        assert found.wait(HANG_S)
        assert httpx.delete(server.url + job).status_code == 204
        go_on.set()
        answer = reading.result()
    assert (answer.status_code, answer.json()["code"]) == (410, "result_expired")
    monkeypatch.undo()
    for _ in range(5):
        job = submit(client)
        ended(client, job)
        deletion = threading.Timer(0.002, httpx.delete, (server.url + job,))
        deletion.start()
        answer = client.get(f"{job}/result", headers={"x-request-id": "same"})
        deletion.join()
        assert answer.content == whole or (answer.status_code, answer.json()["code"]) == (410, "result_expired")


@pytest.mark.job_row("read at once")
@pytest.mark.parametrize("once", [False, True])
def test_a_result_is_read_by_many_at_once(server: JobServer, client: httpx.Client, once: bool, monkeypatch) -> None:
    settings = server.live.services.settings.model_copy(update={"delete_result_on_read": once})
    monkeypatch.setattr(server.live.services, "settings", settings)
    job = submit(client)
    ended(client, job)
    answers = at_once(lambda _: client.get(f"{job}/result", headers={"x-request-id": "same"}))
    whole = {answer.content for answer in answers if answer.status_code == 200}
    assert len(whole) == 1
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 200}
    assert refused <= ({"result_expired"} if once else set())
    if once:
        wait_until(lambda: client.get(f"{job}/result").status_code == 410)
        wait_until(lambda: spool(server) == [])


@pytest.mark.job_row("listeners")
@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled", "expired"])
def test_all_who_listen_hear_of_the_end(server: JobServer, client: httpx.Client, clock: Clock, end: str) -> None:
    job = submit(client, b"gate")
    running(client, job)
    with ThreadPoolExecutor(MANY) as pool:
        begun = threading.Semaphore(0)
        listening = [pool.submit(read_events, client, job, begun) for _ in range(MANY)]
        assert all(begun.acquire(timeout=HANG_S) for _ in range(MANY))
        if end == "succeeded":
            server.plans.gate.set()
        elif end == "failed":
            (handle,) = (job.handle for job in server.jobs._ledger.all() if not job.state.is_final)
            server.jobs._ledger.fail(handle, "media_invalid")
        elif end == "cancelled":
            assert httpx.delete(server.url + job).status_code == 204
        else:
            clock.ahead_s = server.live.services.settings.job_ttl_s + 1
            server.jobs._sweeper.sweep()
        for each in listening:
            event, job_told = each.result()[-1]
            assert (event, job_told["state"]) == ("state", end)
    server.plans.gate.set()


@pytest.mark.job_row("listeners")
def test_who_comes_back_after_the_result_went_hears_of_that(server: JobServer, client: httpx.Client) -> None:
    job = submit(client)
    ended(client, job)
    client.delete(job)
    ((event, told),) = read_events(client, job, **{"last-event-id": "succeeded-1.0000"})
    assert (event, told["state"]) == ("state", "expired")
    assert client.get(f"{job}/events", headers={"last-event-id": "expired-1.0000"}).status_code == 204


@pytest.mark.job_row("listeners leave")
def test_listeners_that_vanish(server: JobServer, client: httpx.Client, monkeypatch) -> None:
    monkeypatch.setattr("service.api.job_events.LOOK_S", 0.02)
    job = submit(client, b"gate")
    running(client, job)
    before = len(server.live.request_lines())
    for _ in range(2 * MANY):
        with connected(server.live.port) as connection:
            connection.sendall(f"GET {job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert connection.recv(1000)
    wait_until(lambda: len(server.live.request_lines()) == before + 2 * MANY)  # a line is written when a stream is over


@pytest.mark.job_row("wrong methods")
@pytest.mark.parametrize(
    ("method", "rest", "allowed"),
    [("PUT", "", "DELETE, GET, HEAD"), ("PATCH", "", "DELETE, GET, HEAD"), ("POST", "/result", "GET, HEAD")],
)
def test_other_methods_are_405(client: httpx.Client, method: str, rest: str, allowed: str) -> None:
    answer = client.request(method, submit(client) + rest)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
