"""``GET /v1/jobs``: the caller's own jobs, newest first, page by page, where the operator allows it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from emoserve_client import Emoserve

from tests.support.credentials import add_key
from tests.support.job_server import JobServer, ended, serving_jobs, submit
from tests.support.live_server import LiveServer

LIST = "/v1/jobs"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys by name; the first two are one owner's."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    old, new = (add_key(path, name, owner="clinic") for name in ("old", "new"))
    cards = add_key(path, "cards", scopes=["models:read"])
    return {"old": old, "new": new, "other": add_key(path, "other"), "cards": cards, "file": str(path)}


@pytest.fixture(scope="module")
def listing(keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    folder = tmp_path_factory.mktemp("jobs") / "state"
    with serving_jobs(folder, keys_file=Path(keys["file"]), job_list=True) as server:
        yield server


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def test_owners_see_their_own_jobs_page_by_page(listing: JobServer, keys: dict[str, str]) -> None:
    clients = {name: httpx.Client(base_url=listing.url, headers={"x-api-key": keys[name]}) for name in keys}
    old, new, other = (clients[name] for name in ("old", "new", "other"))
    assert old.get(LIST).json() == {"jobs": [], "next_cursor": None}
    jobs = [submit((old, new)[number % 2]) for number in range(5)]
    theirs = submit(other)
    for job in jobs:
        ended(old, job)
    newest_first = [job.rsplit("/", 1)[1] for job in reversed(jobs)]
    assert ids(old.get(LIST)) == ids(new.get(LIST)) == newest_first
    assert ids(other.get(LIST)) == [theirs.rsplit("/", 1)[1]]
    assert old.get(LIST).json()["jobs"][0] == old.get(jobs[-1]).json()

    with Emoserve(listing.url, api_key=keys["new"]) as client:
        first = client.jobs(limit=2)
        assert [job.id for job in first.jobs] == newest_first[:2]
        later = ended(old, submit(old))["id"]  # a newer job moves no page
        second = client.jobs(limit=2, cursor=first.next_cursor)
        assert [job.id for job in second.jobs] == newest_first[2:4]
        last = client.jobs(limit=2, cursor=second.next_cursor)
        assert ([job.id for job in last.jobs], last.next_cursor) == (newest_first[4:], None)
        assert client.jobs(limit=1).jobs[0].id == later
    assert ids(other.get(LIST, params={"cursor": first.next_cursor})) == []  # a cursor opens nobody else's list
    assert httpx.get(listing.url + LIST).status_code == 401
    assert clients["cards"].get(LIST).status_code == 403
    for client in clients.values():
        client.close()


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "101"}, "/limit"),
        ({"limit": "all"}, "/limit"),
        ({"cursor": "next"}, "/cursor"),
        ({"cursor": "f_f4" * 8}, "/cursor"),  # its time is no number
        ({"state": "queued"}, "/state"),
        ([("limit", "1"), ("limit", "2")], "/limit"),
    ],
)
def test_bad_parameters_are_refused(listing: JobServer, keys: dict[str, str], params: object, pointer: str) -> None:
    answer = httpx.get(listing.url + LIST, params=params, headers={"x-api-key": keys["old"]})  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (422, "config_invalid")
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_without_the_setting_there_is_no_list(live: LiveServer) -> None:
    answer = httpx.get(live.url + LIST)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "EMOSERVE_JOB_LIST" in answer.json()["detail"]
