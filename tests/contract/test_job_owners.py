"""Jobs of several owners: nobody sees another's, and each has limits of their own."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.settings import KeyLimits
from tests.support.credentials import add_key
from tests.support.fake_jobs import SEGMENT_MEDIA_S, SEGMENTS
from tests.support.job_server import AUDIO, JobServer, serving_jobs, submit
from tests.support.patience import wait_until


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys by name; the first two are one owner's."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    few, slow = KeyLimits(jobs=2), KeyLimits(media_s_per_minute=2 * SEGMENT_MEDIA_S)
    return {
        "file": str(path),
        "old": add_key(path, "old", owner="clinic"),
        "new": add_key(path, "new", owner="clinic"),
        "other": add_key(path, "other"),
        "few": add_key(path, "few", limits=few),
        "slow": add_key(path, "slow", limits=slow),
    }


@pytest.fixture(scope="module")
def server(keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    folder = tmp_path_factory.mktemp("jobs") / "state"
    with serving_jobs(folder, keys_file=Path(keys["file"]), job_workers=1) as server:
        yield server


@pytest.fixture
def as_owner(server: JobServer, keys: dict[str, str]) -> Iterator[dict[str, httpx.Client]]:
    server.plans.shut_gate()
    clients = {name: httpx.Client(base_url=server.url, headers={"x-api-key": key}) for name, key in keys.items()}
    yield clients
    server.plans.gate.set()
    for client in clients.values():
        client.close()
    wait_until(lambda: server.jobs._ledger.unfinished() == 0)


def state(client: httpx.Client, job: str) -> str:
    return client.get(job).json()["state"]


def test_a_job_is_its_owners_alone_whichever_of_their_keys_asks(as_owner: dict[str, httpx.Client]) -> None:
    job = submit(as_owner["old"], b"gate")
    assert as_owner["new"].get(job).status_code == 200
    for method, address in (("GET", job), ("GET", f"{job}/result"), ("GET", f"{job}/events"), ("DELETE", job)):
        answer = as_owner["other"].request(method, address)
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found"), address
        assert httpx.request(method, f"{as_owner['old'].base_url}{address}").status_code == 401
    assert state(as_owner["old"], job) in ("queued", "running")
    assert as_owner["new"].delete(job).status_code == 204
    assert state(as_owner["old"], job) == "cancelled"


def test_an_idempotency_key_is_its_owners(as_owner: dict[str, httpx.Client]) -> None:
    headers = {"idempotency-key": "same"}
    mine = as_owner["old"].post(AUDIO, content=b"sound", headers=headers)
    theirs = as_owner["other"].post(AUDIO, content=b"sound", headers=headers)
    again = as_owner["new"].post(AUDIO, content=b"sound", headers=headers)
    assert (mine.status_code, theirs.status_code, again.status_code) == (202, 202, 200)
    assert again.headers["location"] == mine.headers["location"] != theirs.headers["location"]


def test_more_jobs_than_an_owner_may_have_are_429_for_them_alone(as_owner: dict[str, httpx.Client]) -> None:
    jobs = [submit(as_owner["few"], b"gate") for _ in range(2)]
    answer = as_owner["few"].post(AUDIO, content=b"sound")
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1
    other = submit(as_owner["other"], b"gate")
    for client, job in ((as_owner["few"], jobs[0]), (as_owner["other"], other)):
        assert client.delete(job).status_code == 204
    submit(as_owner["few"])


def test_owners_take_turns_and_their_jobs_come_in_order(server: JobServer, as_owner: dict[str, httpx.Client]) -> None:
    first = submit(as_owner["old"], b"gate")
    wait_until(lambda: state(as_owner["old"], first) == "running")
    theirs = [submit(as_owner["old"]) for _ in range(3)]
    other = submit(as_owner["other"])
    wait_until(lambda: server.jobs._queue.waiting == 4)
    server.plans.gate.set()
    wait_until(lambda: state(as_owner["old"], theirs[-1]) == "succeeded")
    in_order = (("old", theirs[0]), ("other", other), ("old", theirs[1]), ("old", theirs[2]))
    finished = [as_owner[owner].get(job).json()["finished_at"] for owner, job in in_order]
    assert finished == sorted(finished)
    # On the device too they take turns as their owners, beside requests.
    assert server.plans.accounts[-4 * SEGMENTS :] == [
        owner for owner in ("clinic", "other", "clinic", "clinic") for _ in range(SEGMENTS)
    ]


def test_a_job_waits_for_its_owners_allowance_and_another_runs_meanwhile(
    server: JobServer, as_owner: dict[str, httpx.Client]
) -> None:
    jobs = server.jobs
    slow = submit(as_owner["slow"])
    # A minute's allowance is two segments, and one of them is left to requests: the first is paid for at once, the
    # second by and by.
    wait_until(lambda: as_owner["slow"].get(slow).json()["progress"] == 2 / SEGMENTS)
    wait_until(lambda: jobs._queue.free == 1)
    other = submit(as_owner["other"])
    wait_until(lambda: state(as_owner["other"], other) == "succeeded")
    assert state(as_owner["slow"], slow) == "running"
    answer = as_owner["slow"].post("/v1/audio/emotion", content=b"sound")
    assert answer.status_code == 200
    assert '"media-seconds"' in answer.headers["ratelimit"]
    assert as_owner["slow"].delete(slow).status_code == 204
    wait_until(lambda: not jobs._runner._live)


def test_metrics_count_jobs(server: JobServer, as_owner: dict[str, httpx.Client]) -> None:
    metrics = server.live.services.metrics
    submitted, succeeded = metrics.jobs_submitted_total, metrics.jobs_finished_total.labels("succeeded")
    cancelled, failed = (metrics.jobs_finished_total.labels(name) for name in ("cancelled", "failed"))
    media = metrics.audio_seconds_total.labels("ok")
    counters = (submitted, succeeded, cancelled, failed, media)
    before = [counter._value.get() for counter in counters]
    running = submit(as_owner["old"], b"gate")
    wait_until(lambda: metrics.jobs_running._value.get() == 1)
    waiting = submit(as_owner["old"], b"invalid")
    wait_until(lambda: metrics.jobs_queued._value.get() == 1)
    server.live.services.jobs._sweeper.sweep()
    assert metrics.job_spool_bytes._value.get() > 0
    as_owner["old"].delete(running)
    wait_until(lambda: state(as_owner["old"], waiting) == "failed")
    done = submit(as_owner["old"])
    wait_until(lambda: state(as_owner["old"], done) == "succeeded")

    def counted() -> list[float]:
        return [counter._value.get() - early for counter, early in zip(counters, before, strict=True)]

    wait_until(lambda: counted()[:4] == [3, 1, 1, 1])  # a job is counted just after its end is written down
    assert counted()[4] >= SEGMENTS * SEGMENT_MEDIA_S
    wait_until(lambda: (metrics.jobs_queued._value.get(), metrics.jobs_running._value.get()) == (0, 0))
    text = httpx.get(f"{server.url}/metrics", headers=as_owner["old"].headers)
    assert text.status_code == 403  # not with this key's scopes
    assert b'emotion_job_segment_seconds_count{part="speech"}' in metrics.exposition()
