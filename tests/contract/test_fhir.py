"""Parameters of FHIR answers, alike for uploads and results of jobs, and the codes that the service explains."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.http.negotiation import FHIR
from tests.support.credentials import add_key
from tests.support.job_server import AUDIO, VIDEO, JobServer, ended, serving_jobs, submit
from tests.support.live_server import serving, small_settings

GIVEN = {
    "bundle": "transaction",
    "subject": "Patient/17",
    "encounter": "Encounter/4",
    "effective": "2026-03-01T12:00:00+01:00",
    "identifier": "urn:example:visits|17",
    "summary_only": "true",
}
UPLOADS = ("/v1/audio/emotion", "/v1/video/affect", "/v1/action-units/affect")
REFUSED = {
    "bundle": ("batch", "", "Transaction"),
    "subject": (
        *(
            "",
            "17",
            "Patient/",
            "Patient/a b",
            "patient/17",
            "Practitioner/17",
            "Patient/17/_history/1",
            "Patient/17\n",
        ),
        *("javascript://x/Patient/17", "https://user:secret@ehr.example/Patient/17", "urn:uuid:1", "#17"),
        *("Patient/" + "1" * 65, "Patient?identifier=17", "https://ehr.example/Patient/17?x=1", "Patient/１７"),
    ),
    "encounter": ("", "4", "Patient/4", "Encounter/4,Encounter/5", "https:///Encounter/4"),
    "effective": (
        *(
            "",
            "today",
            "1899",
            "2026-13",
            "2026-02-30",
            "2026-3-1",
            "20260301",
            "2026-03-01T12:00",
            "2026-03-01T12:00:00",
        ),
        *("2026-03-01T24:00:00Z", "2026-03-01T12:00:60Z", "2026-03-01 12:00:00Z", "2026-03-01T12:00:00 01:00"),
        *("2026-03-01T12:00:00+15:00", "2026-03-01T12:00:00Z/PT5M", "２０２６"),
    ),
    "identifier": ("", "a b", "|17", "visits|17", "a:b|c|d", "x" * 201, "ü", "urn:x:y|"),
    "summary_only": ("maybe",),
    "_summary": ("true",),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    with serving_jobs(tmp_path_factory.mktemp("jobs") / "state") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: JobServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module", params=[*UPLOADS, AUDIO, VIDEO])
def call(request: pytest.FixtureRequest, client: httpx.Client) -> Any:
    """Ask an upload route, or for the result of a job, with parameters and ``Accept``."""
    address = request.param
    if address in UPLOADS:
        kind = {"content-type": "application/octet-stream"}
        return lambda accept, **given: client.post(
            address, content=b"content", params=given, headers={"accept": accept, **kind}
        )
    job = submit(client, address=address)
    ended(client, job)
    return lambda accept, **given: client.get(f"{job}/result", params=given, headers={"accept": accept})


def observations(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    resources = [entry["resource"] for entry in answer.json()["entry"]]
    return [one for one in resources if one["resourceType"] == "Observation"]


@pytest.mark.parametrize("version", ["4.0", "4.3", "5.0"])
def test_every_route_takes_every_parameter(call: Any, version: str) -> None:
    answer = call(f"{FHIR}; fhirVersion={version}", **GIVEN)
    found = observations(answer)
    assert answer.json()["type"] == "transaction"
    assert all(entry["request"]["ifNoneExist"] for entry in answer.json()["entry"])
    assert "valueSampledData" not in answer.text
    for one in found:
        assert (one["subject"]["reference"], one["encounter"]["reference"]) == ("Patient/17", "Encounter/4")
        assert one["effectivePeriod"]["start"] == GIVEN["effective"]
        assert one["derivedFrom"][0]["identifier"] == {"system": "urn:example:visits", "value": "17"}
    again = observations(call(FHIR, **GIVEN))
    assert [one["identifier"] for one in again] == [one["identifier"] for one in found]


def test_without_them_it_is_the_collection_of_before(call: Any) -> None:
    answer = call(FHIR)
    assert answer.json()["type"] == "collection"
    assert "request" not in answer.json()["entry"][0]
    assert answer.json()["entry"][-1]["resource"]["resourceType"] == "Provenance"
    assert not {"subject", "encounter", "derivedFrom", "effectivePeriod"} & observations(answer)[0].keys()


@pytest.mark.parametrize("name", GIVEN)
def test_other_answers_have_no_room_for_them(call: Any, name: str) -> None:
    for accept in ("application/json", "text/csv", "*/*"):
        answer = call(accept, **{name: GIVEN[name]})
        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
        assert name in answer.json()["detail"]
    assert call("application/json", bundle="collection", summary_only="false").status_code == 200


@pytest.mark.parametrize("name", REFUSED)
def test_values_that_cannot_be(call: Any, name: str) -> None:
    for value in REFUSED[name]:
        answer = call(FHIR, **{name: value})
        assert (answer.status_code, answer.json()["code"]) == (422, "config_invalid"), value
        assert answer.json()["errors"][0]["pointer"] == f"/{name}"


def test_each_is_given_once(call: Any) -> None:
    answer = call(FHIR, subject=["Patient/1", "Patient/2"])
    assert (answer.status_code, answer.json()["detail"]) == (422, "/subject: Given more than once.")


def test_results_of_one_job_have_the_same_identifiers_and_those_of_another_have_others(client: httpx.Client) -> None:
    found = []
    for _ in range(2):
        job = submit(client)
        ended(client, job)
        found += [observations(client.get(f"{job}/result", headers={"accept": FHIR})) for _ in range(2)]
        assert job.rpartition("/")[2] not in json.dumps(found)
    one, again, other, _ = ([observed["identifier"] for observed in each] for each in found)
    assert one == again
    assert not [identifier for identifier in one if identifier in other]


@pytest.mark.parametrize("address", [AUDIO, VIDEO])
def test_a_job_is_told_nothing_of_the_person(client: httpx.Client, server: JobServer, address: str) -> None:
    answer = client.post(address, params={"subject": "Patient/17"}, content=b"sound")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/subject")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("CodeSystem/emoserve", "CodeSystem"),
        ("ValueSet/emoserve", "ValueSet"),
        ("ValueSet/emoserve-emotions", "ValueSet"),
    ],
)
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", f"{FHIR}; fhirVersion=4.0"),
        (f"{FHIR}; fhirVersion=5.0", f"{FHIR}; fhirVersion=5.0"),
        ("application/json", "application/json"),
    ],
)
def test_the_codes_are_explained(client: httpx.Client, address: str, kind: str, accept: str, media_type: str) -> None:
    answer = client.get(f"/v1/fhir/{address}", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert (answer.json()["resourceType"], answer.json()["id"]) == (kind, address.partition("/")[2])


def test_codes_of_an_answer_are_in_the_code_system(client: httpx.Client) -> None:
    system = client.get("/v1/fhir/CodeSystem/emoserve").json()
    known = {concept["code"] for concept in system["concept"]}
    for address in UPLOADS:
        headers = {"accept": FHIR, "content-type": "application/octet-stream"}
        for one in observations(client.post(address, content=b"content", headers=headers)):
            [coding] = one["code"]["coding"]
            assert coding["system"] == system["url"]
            assert coding["code"] in known


@pytest.mark.parametrize("address", ["CodeSystem/other", "ConceptMap/emoserve", "CodeSystem/emoserve-emotions"])
def test_codes_that_are_not_there(client: httpx.Client, address: str) -> None:
    answer = client.get(f"/v1/fhir/{address}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    refused = client.get("/v1/fhir/CodeSystem/emoserve", headers={"accept": "text/csv"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")


def test_the_codes_need_the_permission_for_models(tmp_path: Any) -> None:
    keys = {scope: add_key(tmp_path / "keys.json", scope[:4], scopes=(scope,)) for scope in ("models:read", "analyse")}
    with serving(small_settings(keys_file=tmp_path / "keys.json")) as live, httpx.Client(base_url=live.url) as client:
        statuses = {
            scope: client.get("/v1/fhir/CodeSystem/emoserve", headers={"x-api-key": key}).status_code
            for scope, key in keys.items()
        }
    assert statuses == {"models:read": 200, "analyse": 403}
