"""Notices of the end of jobs: signed, sent again with longer and longer waits, by the next process too."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from emoserve_client import WebhookInvalid, read_webhook
from sqlalchemy.exc import OperationalError

from service.jobs.callbacks import HOLD_S, WAITS_S, Callbacks, notice, signed_headers
from service.jobs.job import Job, JobState
from service.jobs.ledger import Ledger, sqlite_engine
from service.outgoing.address import AddressRefusedError, Target
from service.pipeline.audio_options import AudioOptions
from service.settings import Settings, secret_bytes
from service.telemetry.metrics import Metrics
from tests.support.clock import Clock

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUJD" * 10
ADDRESS = "https://hook.example/in?token=hush"
SETTINGS = Settings(callback_hosts=["hook.example"], callback_secrets=[SECRET], root_path="/emo")


class Receiver:
    """Answers with a status or an error, one after the other, and keeps what came."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[Target, bytes, dict[str, str]]] = []

    def __call__(self, target: Target, body: bytes, headers: Any) -> int:
        self.seen.append((target, body, dict(headers)))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000.0)


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    ledger = Ledger(sqlite_engine(tmp_path / "jobs.sqlite"), clock)
    yield ledger
    ledger.close()


def add(ledger: Ledger, name: str = "one", callback: str | None = ADDRESS) -> str:
    job = Job(
        handle=name,
        id=f"id-{name}",
        caller="anonymous",
        options=AudioOptions(),
        size_bytes=1,
        state=JobState.QUEUED,
        progress=0.0,
        created_s=1_700_000_000.0,
        callback=callback,
    )
    ledger.add(job)
    return name


def end(ledger: Ledger, name: str) -> None:
    ledger.start(name)
    ledger.succeed(name, b"key")


def outcomes(metrics: Metrics) -> dict[str, float]:
    [metric] = metrics.callbacks_total.collect()
    return {one.labels["outcome"]: one.value for one in metric.samples if one.name.endswith("_total")}


def callbacks(
    ledger: Ledger, clock: Clock, receiver: Receiver, settings: Settings = SETTINGS
) -> tuple[Callbacks, Metrics]:
    metrics = Metrics()
    return Callbacks(ledger, settings, metrics, clock, receiver), metrics


def test_a_job_tells_of_its_end_once(ledger: Ledger, clock: Clock) -> None:
    receiver = Receiver()
    sender, metrics = callbacks(ledger, clock, receiver)
    add(ledger), end(ledger, add(ledger, "silent", None))
    sender.look()
    assert receiver.seen == [], "it has not ended"
    end(ledger, "one")
    for _ in range(3):
        sender.look()
    [(target, body, headers)] = receiver.seen
    assert (target.host, target.path) == ("hook.example", "/in?token=hush")
    told = read_webhook(SECRET, headers, body, now_s=clock())
    assert (told.id, told.type, told.job_id, told.state) == ("msg_one", "job.succeeded", "id-one", "succeeded")
    assert json.loads(body) == {
        "type": "job.succeeded",
        "timestamp": "2023-11-14T22:13:20.000+00:00",
        "data": {
            "id": "id-one",
            "kind": "audio-emotion",
            "state": "succeeded",
            "links": {"job": "/emo/v1/jobs/id-one", "result": "/emo/v1/jobs/id-one/result"},
        },
    }
    assert outcomes(metrics) == {"delivered": 1}
    found = ledger.find("one")
    assert found is not None
    assert found.callback is None


def test_of_two_services_one_tells(ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other looks while the first is sending, and takes over where it has not noted the end for a minute."""
    seen: list[str] = []
    other = Receiver()
    second, _ = callbacks(ledger, clock, other)

    def slow(*arguments: Any) -> int:
        seen.append("first")
        second.look()
        monkeypatch.setattr(ledger, "end_callback", lost)
        return 204

    def lost(_handle: str) -> None:
        raise OperationalError("", {}, Exception())

    first, _ = callbacks(ledger, clock, slow)  # type: ignore[arg-type]
    end(ledger, add(ledger))
    first.look()
    assert (seen, other.seen) == (["first"], [])
    monkeypatch.undo()
    clock.now += HOLD_S
    second.look()
    first.look()
    assert (seen, len(other.seen)) == (["first"], 1)


@pytest.mark.parametrize(
    ("way", "state"),
    [
        (lambda ledger: ledger.fail("one", "media_invalid"), "failed"),
        (lambda ledger: ledger.cancel("one"), "cancelled"),
        (lambda ledger: ledger.expire("one"), "expired"),
    ],
)
def test_every_end_is_told_without_a_result(ledger: Ledger, clock: Clock, way: Any, state: str) -> None:
    receiver = Receiver()
    sender, _ = callbacks(ledger, clock, receiver)
    add(ledger)
    way(ledger)
    sender.look()
    [(_, body, _)] = receiver.seen
    document = json.loads(body)
    assert (document["type"], document["data"]["state"]) == (f"job.{state}", state)
    assert document["data"]["links"] == {"job": "/emo/v1/jobs/id-one"}


def test_what_fails_is_sent_again_later_and_later_until_it_is_given_up(ledger: Ledger, clock: Clock) -> None:
    receiver = Receiver(500, 302, TimeoutError(), ConnectionRefusedError(), AddressRefusedError("x"), 429, 404, 503)
    end(ledger, add(ledger))
    sent: list[float] = []
    metrics = Metrics()
    for wait_s in (0.0, *WAITS_S):
        # Each attempt is another process's: what is known stands in the ledger.
        sender = Callbacks(ledger, SETTINGS, metrics, clock, receiver)
        clock.now += wait_s - 0.5
        sender.look()
        assert len(receiver.seen) == len(sent) or not sent
        clock.now += 0.5 + 0.2 * wait_s
        sender.look()
        sent.append(clock())
        assert len(receiver.seen) == len(sent)
    clock.now += 1e6
    Callbacks(ledger, SETTINGS, metrics, clock, receiver).look()
    assert len(receiver.seen) == len(WAITS_S) + 1
    assert outcomes(metrics) == {"failed": len(WAITS_S), "given_up": 1}
    assert {headers["webhook-id"] for *_, headers in receiver.seen} == {"msg_one"}
    assert len({headers["webhook-timestamp"] for *_, headers in receiver.seen}) == len(sent)


@pytest.mark.parametrize(
    ("answer", "settings"),
    [(410, SETTINGS), (204, SETTINGS.model_copy(update={"callback_hosts": ["other.example"]}))],
    ids=["gone", "no longer permitted"],
)
def test_who_wants_no_more_is_left_alone(ledger: Ledger, clock: Clock, answer: int, settings: Settings) -> None:
    receiver = Receiver(answer)
    sender, metrics = callbacks(ledger, clock, receiver, settings)
    end(ledger, add(ledger))
    sender.look()
    clock.now += 1e6
    sender.look()
    assert outcomes(metrics) == {"given_up": 1}
    assert len(receiver.seen) == (answer == 410)


def test_one_that_fails_does_not_hold_up_others(ledger: Ledger, clock: Clock) -> None:
    receiver = Receiver(*[TimeoutError()] * 8)
    sender, metrics = callbacks(ledger, clock, receiver)
    for number in range(9):
        end(ledger, add(ledger, f"job{number}"))
    sender.look()
    sender.look()
    assert outcomes(metrics) == {"failed": 8, "delivered": 1}


def test_no_log_holds_the_address(ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    sender, _ = callbacks(ledger, clock, Receiver(ValueError(ADDRESS), OSError(ADDRESS)))
    end(ledger, add(ledger))
    with caplog.at_level(logging.DEBUG):
        sender.look()
        clock.now += 100
        sender.look()
    assert [record.fields["reason"] for record in caplog.records] == ["ValueError", "OSError"]
    assert "hush" not in "".join(str(vars(record)) for record in caplog.records)


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the reference libraries of Standard Webhooks."""
    job = Job("p5jXN8AQM9LWM0D4loKWxJek", "", "", AudioOptions(), 0, JobState.FAILED, 0.0, 0.0)
    headers = signed_headers(job, b'{"test": 2432232314}', [secret_bytes(SECRET)], 1_614_265_330)
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_client_tells_true_notices_from_others() -> None:
    job = Job("h", "i", "", AudioOptions(), 0, JobState.FAILED, 0.0, 1000.0)
    body = notice(job, "")
    headers = signed_headers(job, body, [secret_bytes(OTHER), secret_bytes(SECRET)], 1000)
    for secret in (SECRET, OTHER):
        assert (
            read_webhook(secret, {name.upper(): text for name, text in headers.items()}, body, now_s=1299).job_id == "i"
        )
    for changed, content, now_s in (
        (headers, body + b" ", 1000),
        (headers, body, 1301),
        (headers, body, 699),
        (headers | {"webhook-id": "msg_x"}, body, 1000),
        (headers | {"webhook-timestamp": "1001"}, body, 1000),
        (headers | {"webhook-timestamp": "now"}, body, 1000),
        (headers | {"webhook-signature": "v1,"}, body, 1000),
        (headers | {"webhook-signature": "v1a,ü"}, body, 1000),
        ({}, body, 1000),
    ):
        with pytest.raises(WebhookInvalid):
            read_webhook(SECRET, changed, content, now_s=now_s)
    for none in ("", "whsec_", "whsec_%%%", "short"):
        with pytest.raises(ValueError, match="secret"):
            read_webhook(none, headers, body, now_s=1000)


def test_a_job_of_an_earlier_release_tells_nobody(ledger: Ledger, clock: Clock) -> None:
    end(ledger, add(ledger, callback=None))
    assert ledger.take_due_callbacks(10, 60.0) == []
    job = ledger.find("one")
    assert job is not None
    assert replace(job, callback=None) == job
