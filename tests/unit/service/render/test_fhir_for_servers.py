"""Transactions that a server could take, what a caller adds, and codes that are all explained.

No FHIR server is at hand. A small store stands for one: it follows the rules of a transaction (FHIR R4 and R5, section
http.html#transaction) for references, identifiers and conditional creates, and refuses what breaks them.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.bundle import Bundle as BundleR5
from fhir.resources.R4B.bundle import Bundle as BundleR4B

from service.pipeline.results import AudioEmotion
from service.render.fhir.bundle import RELEASES, fhir_bundle
from service.render.fhir.findings import Findings, findings_of_affect, findings_of_audio
from service.render.fhir.request import FhirRequest
from service.render.fhir.resources import CODE_SYSTEM
from service.render.fhir.terminology import RESOURCES, terminology
from tests.support.example_affect import example_affect
from tests.support.example_results import SIX_LABELS, example_channel, example_result, example_timeline
from tests.support.json_nodes import nodes

TRANSACTION = FhirRequest(
    bundle="transaction",
    subject="Patient/17",
    encounter="https://ehr.example/fhir/Encounter/4",
    effective="2026-03-01T12:00:00+01:00",
    identifier="https://clinic.example/recordings|17",
)
OUTSIDE = {"Patient/17", "https://ehr.example/fhir/Encounter/4"}
CHANNELS = ("left", "right", *map(str, range(8)))


class Store:
    """The rules of a transaction; ``resources`` by address."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}

    def post(self, body: bytes) -> list[int]:
        """Take a transaction; returns the status of each entry, 201 or 200."""
        bundle = json.loads(body)
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
        entries = bundle["entry"]
        addresses = {entry["fullUrl"]: self._place(entry) for entry in entries}
        assert len(addresses) == len(entries)
        statuses = []
        for entry in entries:
            is_new = addresses[entry["fullUrl"]] not in self.resources
            statuses.append(201 if is_new else 200)
            if is_new:
                self.resources[addresses[entry["fullUrl"]]] = self._linked(entry["resource"], addresses)
        return statuses

    def _place(self, entry: dict[str, Any]) -> str:
        request, resource = entry["request"], entry["resource"]
        assert (request["method"], request["url"]) == ("POST", resource["resourceType"])
        assert "id" not in resource
        name, _, token = request["ifNoneExist"].partition("=")
        assert name == "identifier"
        system, _, value = token.partition("|")
        assert {"system": system, "value": value} in resource["identifier"]
        found = [
            address
            for address, stored in self.resources.items()
            if address.startswith(f"{request['url']}/") and {"system": system, "value": value} in stored["identifier"]
        ]
        assert len(found) <= 1
        return found[0] if found else f"{request['url']}/{value.removeprefix('urn:uuid:')}"

    def _linked(self, resource: dict[str, Any], addresses: dict[str, str]) -> dict[str, Any]:
        linked: dict[str, Any] = json.loads(json.dumps(resource))
        for node in nodes(linked):
            if "reference" in node:
                node["reference"] = addresses.get(node["reference"], node["reference"])
                assert node["reference"] in set(addresses.values()) | OUTSIDE, node["reference"]
        return linked


def voice(windows: int = 6) -> AudioEmotion:
    result = example_result(windows)
    timeline = example_timeline(windows, SIX_LABELS)
    return replace(result, labels=SIX_LABELS, channels=(example_channel("mix", timeline, SIX_LABELS),))


def stereo() -> AudioEmotion:
    channels = tuple(
        example_channel(name, example_timeline(4, SIX_LABELS, seed=seed), SIX_LABELS)
        for seed, name in enumerate(("left", "right"))
    )
    return replace(example_result(4), labels=SIX_LABELS, channels=channels)


FINDINGS = {
    "voice": lambda: findings_of_audio(voice()),
    "channels": lambda: findings_of_audio(stereo()),
    "face and voice": lambda: findings_of_affect(example_affect(40, audio=True)),
    "face": lambda: findings_of_affect(example_affect(40, gaps=((5, 9),), expression=True)),
}


def observations(body: bytes) -> dict[str, dict[str, Any]]:
    found = [entry["resource"] for entry in json.loads(body)["entry"]]
    return {one["code"]["coding"][0]["code"]: one for one in found if one["resourceType"] == "Observation"}


@pytest.mark.parametrize("version", list(RELEASES))
@pytest.mark.parametrize("kind", list(FINDINGS))
def test_a_server_takes_a_transaction_and_takes_nothing_twice(kind: str, version: str) -> None:
    findings, store, request = FINDINGS[kind](), Store(), replace(TRANSACTION, version=version)
    body = fhir_bundle(findings, "r-1", request)
    (BundleR5 if version == "5.0" else BundleR4B).model_validate_json(body)
    entries = json.loads(body)["entry"]
    assert set(store.post(body)) == {201}
    assert len(store.resources) == len(entries) == len(findings.series) + len(findings.models) + bool(findings.emotion)
    assert set(store.post(body)) == {200}
    assert set(store.post(fhir_bundle(findings, "r-2", request))) == {200}, "the same recording in another request"
    assert len(store.resources) == len(entries)
    store.post(fhir_bundle(findings, "r-3", replace(request, identifier="https://clinic.example/recordings|18")))
    devices = [address for address in store.resources if address.startswith("Device/")]
    assert len(devices) == len(findings.models), "models are the same, observations are not"
    assert len(store.resources) == 2 * len(entries) - len(devices)


def test_another_model_makes_other_observations() -> None:
    store, result = Store(), voice()
    store.post(fhir_bundle(findings_of_audio(result), "r", TRANSACTION))
    before = len(store.resources)
    newer = replace(result, model=replace(result.model, version="9"))
    assert set(store.post(fhir_bundle(findings_of_audio(newer), "r", TRANSACTION))) == {201}
    assert len(store.resources) == 2 * before


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (("r-1", FhirRequest(identifier="17")), ("r-2", FhirRequest(identifier="17")), True),
        (("r-1", FhirRequest()), ("r-1", FhirRequest()), True),
        (("r-1", FhirRequest()), ("r-2", FhirRequest()), False),
        (("r-1", FhirRequest(analysis="j")), ("r-2", FhirRequest(analysis="j", version="5.0")), True),
        (("r-1", FhirRequest(analysis="j")), ("r-1", FhirRequest(analysis="k")), False),
        (("r-1", FhirRequest(analysis="j", identifier="a")), ("r-1", FhirRequest(analysis="j", identifier="b")), False),
    ],
)
def test_identifiers_derive_from_the_callers_name_else_the_job_else_the_request(
    one: tuple[str, FhirRequest], other: tuple[str, FhirRequest], is_same: bool
) -> None:
    findings = findings_of_audio(voice())
    first, second = (observations(fhir_bundle(findings, *call)) for call in (one, other))
    for code in first:
        assert (first[code]["identifier"] == second[code]["identifier"]) == is_same
    values = {observed["identifier"][0]["value"] for observed in first.values()}
    assert len(values) == len(first)
    assert not [value for value in values if "j" in value or "r-1" in value]


@pytest.mark.parametrize("version", list(RELEASES))
def test_every_observation_says_what_the_caller_added(version: str) -> None:
    findings = findings_of_affect(example_affect(40, audio=True))
    for one in observations(fhir_bundle(findings, "r", replace(TRANSACTION, version=version))).values():
        assert one["subject"] == {"reference": "Patient/17"}
        assert one["encounter"] == {"reference": "https://ehr.example/fhir/Encounter/4"}
        named = {"system": "https://clinic.example/recordings", "value": "17"}
        assert [source["identifier"] for source in one["derivedFrom"]] == [named]
        assert set(one["effectivePeriod"]) == {"start", "end"}
    bare = observations(fhir_bundle(findings, "r", FhirRequest(version)))
    assert not {"subject", "encounter", "derivedFrom", "effectivePeriod", "effectiveDateTime"} & bare["arousal"].keys()


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        ("2026", {"effectiveDateTime": "2026"}),
        ("2026-02", {"effectiveDateTime": "2026-02"}),
        ("2026-02-28", {"effectiveDateTime": "2026-02-28"}),
        (
            "2026-02-28T23:59:59Z",
            {"effectivePeriod": {"start": "2026-02-28T23:59:59Z", "end": "2026-03-01T00:00:01.500000Z"}},
        ),
        (
            "2026-02-28T12:00:00-05:00",
            {"effectivePeriod": {"start": "2026-02-28T12:00:00-05:00", "end": "2026-02-28T12:00:02.500000-05:00"}},
        ),
    ],
)
@pytest.mark.parametrize("version", list(RELEASES))
def test_a_moment_becomes_the_recordings_period(effective: str, expected: dict[str, Any], version: str) -> None:
    findings: Findings = replace(findings_of_audio(voice()), duration_s=2.5)
    for one in observations(fhir_bundle(findings, "r", FhirRequest(version, effective=effective))).values():
        assert {name: value for name, value in one.items() if name.startswith("effective")} == expected


@pytest.mark.parametrize("version", list(RELEASES))
@pytest.mark.parametrize("kind", list(FINDINGS))
def test_a_summary_has_the_values_of_the_whole_recording_and_no_series(kind: str, version: str) -> None:
    findings = FINDINGS[kind]()
    whole = observations(fhir_bundle(findings, "r", FhirRequest(version)))
    body = fhir_bundle(findings, "r", FhirRequest(version, summary_only=True))
    summary = observations(body)
    assert "valueSampledData" not in body.decode()
    expected = {
        part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"]
        for one in whole.values()
        for part in one.get("component", ())
        if part["code"]["coding"][0]["code"].endswith("-recording")
    }
    told = {code: one["valueQuantity"]["value"] for code, one in summary.items() if code != "emotion"}
    if findings.emotion:
        assert summary["emotion"]["component"] == whole["emotion"]["component"]
        told |= {
            part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"]
            for part in summary["emotion"]["component"]
        }
    probabilities = {code for code in expected if code.startswith("speech-probability-")}
    assert {code: expected[code] for code in expected.keys() - probabilities} == told
    assert Store().post(fhir_bundle(findings, "r", replace(TRANSACTION, version=version, summary_only=True)))


def test_a_summary_of_silence_says_that_nothing_is_known() -> None:
    timeline = example_timeline(3, SIX_LABELS, gaps=((0, 3),))
    silent = replace(voice(), channels=(example_channel("mix", timeline, SIX_LABELS, "silent"),))
    found = observations(fhir_bundle(findings_of_audio(silent), "r", FhirRequest(summary_only=True)))
    assert {"arousal-recording", "valence-recording"} <= found.keys()
    for one in found.values():
        assert one["dataAbsentReason"]["coding"][0]["code"] == "unknown"
        assert "valueQuantity" not in one


def test_quantities_say_their_scale() -> None:
    found = observations(fhir_bundle(findings_of_affect(example_affect(40, audio=True)), "r", FhirRequest()))
    seen = observations(fhir_bundle(findings_of_affect(example_affect(40, expression=True)), "r", FhirRequest()))
    for code, unit in (("valence", "-1 to 1"), ("probability-joy", "0 to 1"), ("action-unit-12", "0 to 5")):
        [whole] = seen[f"expression-{code}"]["component"]
        assert whole["valueQuantity"]["unit"] == f"on a scale from {unit}"
        assert seen[f"expression-{code}"]["device"] != seen["arousal"]["device"]
    assert whole["valueQuantity"]["value"] == 4.0
    for code, unit in (("arousal", "-1 to 1"), ("speech-probability-fear", "0 to 1"), ("action-unit-12", "0 to 5")):
        [whole] = found[code]["component"]
        assert whole["valueQuantity"]["unit"] == f"on a scale from {unit}"


@pytest.mark.parametrize("version", list(RELEASES))
def test_every_code_of_every_bundle_is_explained(version: str) -> None:
    system = json.loads(terminology("CodeSystem", "emoserve", [*SIX_LABELS, "joy"], CHANNELS, version))
    concepts = {concept["code"]: concept for concept in system["concept"]}
    assert len(concepts) == len(system["concept"])
    shifted = voice(3)
    timeline = shifted.channels[0].timeline
    timeline.start_s[-1] -= 0.4
    bundles = [
        fhir_bundle(findings, "r", FhirRequest(version, summary_only=summary_only))
        for findings in [make() for make in FINDINGS.values()] + [findings_of_audio(shifted)]
        for summary_only in (False, True)
    ]
    codings = [node for body in bundles for node in nodes(json.loads(body)) if node.get("system") == CODE_SYSTEM]
    assert {"arousal-last-window", "emotion", "probability-fear-channel-left-recording"} <= {
        coding["code"] for coding in codings
    }
    for coding in codings:
        concept = concepts[coding["code"]]
        displays = [concept["display"], *(other["value"] for other in concept.get("designation", ()))]
        assert coding.get("display", concept["display"]) in displays


@pytest.mark.parametrize("version", list(RELEASES))
def test_the_value_sets_draw_from_the_code_system(version: str) -> None:
    found = {pair: json.loads(terminology(*pair, SIX_LABELS, CHANNELS, version)) for pair in RESOURCES}
    system = found["CodeSystem", "emoserve"]
    assert (system["url"], system["content"]) == (CODE_SYSTEM, "fragment")
    assert system["valueSet"] == found["ValueSet", "emoserve"]["url"]
    assert found["ValueSet", "emoserve"]["compose"]["include"] == [{"system": CODE_SYSTEM}]
    [emotions] = found["ValueSet", "emoserve-emotions"]["compose"]["include"]
    codes = [concept["code"] for concept in emotions["concept"]]
    assert codes == [f"emotion-{label}" for label in SIX_LABELS]
    assert set(codes) <= {concept["code"] for concept in system["concept"]}
    assert len({resource["url"] for resource in found.values()}) == 3
