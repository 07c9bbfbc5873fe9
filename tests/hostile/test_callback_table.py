"""Hostile callbacks: addresses that would lead elsewhere, and receivers that redirect, fail or hang up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from emoserve_client import Emoserve, read_webhook

from tests.support import live_server
from tests.support.job_server import AUDIO, VIDEO, JobServer, ended, serving_jobs, submit
from tests.support.live_server import small_settings
from tests.support.patience import wait_until
from tests.support.receiver import SECRET, Receiver, receiving

REFUSED = (
    *(
        "",
        "no address",
        "//hook.example/",
        "https:///x",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "gopher://hook.example/",
    ),
    *("http://127.0.0.1/", "https://localhost/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/"),
    *(
        "https://other.example/",
        "https://hook.example.evil.example/",
        "https://evilhook.example/",
        "https://hook.example:1/",
    ),
    *("https://hook.example@evil.example/", "https://evil.example\\@hook.example/", "https://user:x@hook.example/"),
    *(
        "https://hook.example/#x",
        "https://hook.example/\r\nHost: evil.example",
        "https://hook.example/\0",
        "https://hook.example/ü",
    ),
    *("https://2130706433/", "https://0x7f000001/", "https://hoоk.example/", "https://hook.example/" + "x" * 2040),
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@contextmanager
def serving(folder: Path, receiver: Receiver) -> Iterator[JobServer]:
    allowed: dict[str, Any] = {
        "callback_hosts": ["hook.example", receiver.host],
        "callback_secrets": [SECRET],
        "callback_networks": ["127.0.0.0/8"],
        "callback_http": True,
    }
    with (
        patch("service.jobs.callbacks.LOOK_S", 0.05),
        patch("service.jobs.callbacks.WAITS_S", (0.0,) * 7),
        serving_jobs(folder, **allowed) as server,
    ):
        yield server


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver) -> Iterator[JobServer]:
    with serving(tmp_path / "state", receiver) as server:
        yield server


@pytest.fixture
def client(server: JobServer, receiver: Receiver) -> Iterator[httpx.Client]:
    receiver.seen.clear()
    with httpx.Client(base_url=server.url) as client:
        yield client
    assert "hush" not in server.live.log.getvalue()
    assert not [line for line in server.live.request_lines() if line["status"] == 500]


def pending(server: JobServer) -> list[str]:
    return [job.handle for job in server.jobs._ledger.all() if job.callback is not None]


@pytest.mark.job_row("callback addresses")
@pytest.mark.parametrize("address", [AUDIO, VIDEO])
def test_addresses_that_lead_elsewhere(client: httpx.Client, server: JobServer, address: str) -> None:
    before = len(server.jobs._ledger.all())
    for callback in REFUSED:
        answer = client.post(address, params={"callback": callback}, content=b"sound")
        assert answer.status_code == 422, callback
        document = answer.json()
        assert document["code"] == ("config_invalid" if len(callback) > 2048 else "callback_refused"), callback
        assert document["errors"][0]["pointer"] == "/callback"
    twice = client.post(address, params={"callback": ["https://hook.example/"] * 2}, content=b"sound")
    assert (twice.status_code, twice.json()["errors"][0]["pointer"]) == (422, "/callback")
    assert len(server.jobs._ledger.all()) == before


@pytest.mark.job_row("callback addresses")
def test_a_service_calls_nobody_unless_its_operator_says_so(receiver: Receiver) -> None:
    with live_server.serving(small_settings()) as server, httpx.Client(base_url=server.url) as client:
        for callback in (receiver.address, "https://hook.example/"):
            answer = client.post(AUDIO, params={"callback": callback}, content=b"sound")
            assert (answer.status_code, answer.json()["code"]) == (422, "callback_refused")


@pytest.mark.parametrize(("content", "state"), [(b"sound", "succeeded"), (b"invalid", "failed")])
def test_the_end_of_a_job_is_told(
    client: httpx.Client, server: JobServer, receiver: Receiver, content: bytes, state: str
) -> None:
    with Emoserve(server.url) as emoserve:
        job = emoserve.submit_audio_emotion(content, callback=receiver.address)
    wait_until(lambda: len(receiver.seen) == 1)
    [notice] = receiver.seen
    told = read_webhook(SECRET, notice.headers, notice.body)
    assert (notice.path, told.job_id, told.state, told.type) == ("/in?token=hush", job.id, state, f"job.{state}")
    wait_until(lambda: pending(server) == [])


@pytest.mark.job_row("callback receivers")
def test_receivers_that_redirect_fail_or_hang_up(client: httpx.Client, server: JobServer, receiver: Receiver) -> None:
    receiver.statuses[:] = [302, 0, 500, 307]
    job = submit(client, params={"callback": receiver.address})
    assert ended(client, job)["state"] == "succeeded", "a job does not wait for its receiver"
    wait_until(lambda: len(receiver.seen) == 5)
    wait_until(lambda: pending(server) == [])
    assert {notice.path for notice in receiver.seen} == {"/in?token=hush"}
    assert len({notice.id for notice in receiver.seen}) == 1
    assert len({notice.body for notice in receiver.seen}) == 1


@pytest.mark.job_row("callback receivers")
def test_what_was_not_told_is_told_by_the_next_process(tmp_path: Path, receiver: Receiver) -> None:
    receiver.seen.clear()
    with (
        patch("service.jobs.callbacks.Callbacks._run", lambda _self: None),
        serving(tmp_path / "state", receiver) as first,
        httpx.Client(base_url=first.url) as client,
    ):
        job = submit(client, params={"callback": receiver.address})
        ended(client, job)
        assert pending(first)
    assert receiver.seen == []
    with serving(tmp_path / "state", receiver) as second:
        wait_until(lambda: pending(second) == [])
    [notice] = receiver.seen
    assert f"/v1/jobs/{read_webhook(SECRET, notice.headers, notice.body).job_id}" == job


def test_a_key_with_another_callback_is_another_request(client: httpx.Client, receiver: Receiver) -> None:
    def send(callback: str | None) -> int:
        given = {} if callback is None else {"callback": callback}
        return client.post(AUDIO, params=given, content=b"sound", headers={"idempotency-key": "k"}).status_code

    assert [send(one) for one in (receiver.address, receiver.address, None, "https://hook.example/")] == [
        202,
        200,
        409,
        409,
    ]
