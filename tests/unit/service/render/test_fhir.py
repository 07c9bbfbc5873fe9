"""FHIR bundles say what the JSON answers say, and both releases take them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fhir.resources.bundle import Bundle as BundleR5
from fhir.resources.R4B.bundle import Bundle as BundleR4B

from service import __version__
from service.pipeline.results import AudioEmotion
from service.render.audio_json import audio_emotion_json
from service.render.fhir.bundle import RELEASES, fhir_bundle
from service.render.fhir.findings import findings_of_affect, findings_of_audio
from service.render.fhir.request import FhirRequest
from service.render.fhir.resources import CAUTION, data_string, number
from service.render.video_json import video_affect_json
from tests.support.example_affect import example_affect
from tests.support.example_results import SIX_LABELS, example_channel, example_result, example_timeline

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def resources(body: bytes, kind: str) -> list[dict]:
    return [entry["resource"] for entry in json.loads(body)["entry"] if entry["resource"]["resourceType"] == kind]


def observations(body: bytes) -> dict[str, dict]:
    return {one["code"]["coding"][0]["code"]: one for one in resources(body, "Observation")}


def decoded(observation: dict) -> list[float | None]:
    return [None if word == "E" else float(word) for word in observation["valueSampledData"]["data"].split(" ")]


def assert_same(found: list[float | None], expected: list[float | None]) -> None:
    assert [value is None for value in found] == [value is None for value in expected]
    known = [(a, b) for a, b in zip(found, expected, strict=True) if a is not None]
    assert np.allclose([a for a, _ in known], [b for _, b in known], atol=6e-5)


def gaps() -> AudioEmotion:
    result = example_result(12)
    timeline = example_timeline(12, SIX_LABELS, gaps=((3, 6),))
    return replace(result, labels=SIX_LABELS, channels=(example_channel("mix", timeline, SIX_LABELS, "padded"),))


@pytest.mark.parametrize("version", list(RELEASES))
def test_speech_decodes_to_the_numbers_of_the_json_answer(version: str) -> None:
    result = gaps()
    document = audio_emotion_json(result, "r", timeline=True)
    found = observations(fhir_bundle(findings_of_audio(result), "r", FhirRequest(version)))
    for name in ("arousal", "valence"):
        assert_same(decoded(found[name]), document["timeline"][name])
        assert found[name]["component"][0]["valueQuantity"]["value"] == pytest.approx(document[name], abs=6e-5)
    for label in SIX_LABELS:
        assert_same(decoded(found[f"probability-{label}"]), document["timeline"]["probabilities"][label])
    assert None in decoded(found["arousal"])
    emotion = found["emotion"]
    assert emotion["valueCodeableConcept"]["text"] == document["emotion"]
    assert [part["valueQuantity"]["value"] for part in emotion["component"]] == pytest.approx(
        document["probabilities"], abs=6e-5
    )
    assert {"text": "flag: padded"} in emotion["note"]


def test_faces_decode_to_the_numbers_of_the_json_answer() -> None:
    result = example_affect(120, gaps=((10, 30),), audio=True)
    document = video_affect_json(result, "r", frozenset({"audio"}))
    found = observations(fhir_bundle(findings_of_affect(result), "r", FhirRequest("4.0")))
    assert_same(decoded(found["arousal"]), document["timeline"]["arousal"])
    assert_same(decoded(found["face-confidence"]), document["timeline"]["face_confidence"])
    assert_same(decoded(found["speech-arousal"]), document["audio"]["timeline"]["arousal"])
    assert found["arousal"]["valueSampledData"]["period"] == 100
    assert found["valence"]["component"][0]["valueQuantity"]["value"] == pytest.approx(
        document["summary"]["valence"]["mean"], abs=6e-5
    )


def test_releases_differ_in_how_they_name_the_pace() -> None:
    findings = findings_of_audio(gaps())
    of_four = observations(fhir_bundle(findings, "r", FhirRequest("4.3")))["arousal"]["valueSampledData"]
    of_five = observations(fhir_bundle(findings, "r", FhirRequest("5.0")))["arousal"]["valueSampledData"]
    assert of_four["period"] == of_five["interval"] == 1000
    assert of_five["intervalUnit"] == "ms"
    assert "interval" not in of_four
    assert "period" not in of_five


@pytest.mark.parametrize(("version", "release"), [("4.0", BundleR4B), ("4.3", BundleR4B), ("5.0", BundleR5)])
def test_other_readers_take_it_and_every_reference_leads_to_an_entry(version: str, release: type) -> None:
    body = fhir_bundle(findings_of_affect(example_affect(40, audio=True)), "r", FhirRequest(version))
    assert release.model_validate_json(body).type == "collection"
    document = json.loads(body)
    addresses = [entry["fullUrl"] for entry in document["entry"]]
    assert len(set(addresses)) == len(addresses)
    makers = [one["device"]["reference"] for one in resources(body, "Observation")]
    [origin] = resources(body, "Provenance")
    agents = [agent["who"]["reference"] for agent in origin["agent"]]
    targets = [target["reference"] for target in origin["target"]]
    assert set(makers) | set(agents) | set(targets) <= set(addresses)
    assert len(targets) == len(makers)
    by_address = {entry["fullUrl"]: entry["resource"] for entry in document["entry"]}
    made_by = {
        one["code"]["coding"][0]["code"]: by_address[one["device"]["reference"]]
        for one in by_address.values()
        if one["resourceType"] == "Observation"
    }
    assert made_by["arousal"]["modelNumber"] == "affect-prior"
    assert made_by["face-confidence"]["modelNumber"] == "mediapipe-faces"
    assert made_by["speech-arousal"]["modelNumber"] not in ("affect-prior", "mediapipe-faces")


@pytest.mark.parametrize(
    ("windows", "is_known"), [(5, True), (5, False), (2, True)], ids=["known", "without speech", "one of two"]
)
def test_a_last_window_off_the_grid_stands_apart(windows: int, is_known: bool) -> None:
    timeline = example_timeline(windows, SIX_LABELS, gaps=() if is_known else ((windows - 1, windows),))
    early_s = np.append(np.zeros(windows - 1), 0.4)
    shifted = replace(timeline, start_s=timeline.start_s - early_s, end_s=timeline.end_s - early_s)
    result = replace(example_result(windows), channels=(example_channel("mix", shifted, SIX_LABELS),))
    arousal = observations(fhir_bundle(findings_of_audio(result), "r", FhirRequest("4.0")))["arousal"]
    assert decoded(arousal) == pytest.approx(timeline.arousal[:-1].tolist(), abs=6e-5)
    assert len(arousal["component"]) == 1 + is_known
    if is_known:
        last = arousal["component"][1]
        assert last["code"]["text"] == f"Last window, {windows - 1.4:g} s to {windows + 0.6:g} s"
        assert last["valueQuantity"]["value"] == pytest.approx(float(timeline.arousal[-1]), abs=6e-5)


def test_windows_that_are_cut_at_whole_samples_lie_on_the_grid() -> None:
    timeline = example_timeline(9, SIX_LABELS, hop_s=1 / 3)
    cut = replace(timeline, start_s=np.floor(timeline.start_s * 16_000) / 16_000)
    result = replace(example_result(9), channels=(example_channel("mix", cut, SIX_LABELS),))
    arousal = observations(fhir_bundle(findings_of_audio(result), "r", FhirRequest("4.0")))["arousal"]
    assert len(decoded(arousal)) == 9
    assert len(arousal["component"]) == 1


def test_what_stands_beside_the_numbers() -> None:
    sound = example_result(4, flags=("padded",))
    (channel,) = sound.channels
    timeline = replace(channel.timeline, start_s=channel.timeline.start_s + 3, end_s=channel.timeline.end_s + 3)
    face = example_affect(40)
    result = replace(
        face, time_s=face.time_s + 2, audio=replace(sound, channels=(replace(channel, timeline=timeline),))
    )
    body = fhir_bundle(findings_of_affect(result), "r", FhirRequest("4.3"), MOMENT)
    found, document = observations(body), json.loads(body)
    assert (document["identifier"]["value"], datetime.fromisoformat(document["timestamp"])) == ("r", MOMENT)
    moving, speaking = (
        "The first value belongs to second 2 of the recording.",
        "The first value belongs to second 3 of the recording; each covers the 2 s from its time on.",
    )
    for code, title, bounds, period_ms, grid in (
        ("arousal", "Arousal of the face", [-1, 1], 100, moving),
        ("face-confidence", "Confidence of the face detection", [0, 1], 100, moving),
        ("speech-valence", "Valence of the voice, sound track", [-1, 1], 1000, speaking),
        ("speech-probability-fear", "Probability of fear, sound track", [0, 1], 1000, speaking),
    ):
        one, data = found[code], found[code]["valueSampledData"]
        assert one["code"]["text"] == title
        assert [data["lowerLimit"], data["upperLimit"]] == bounds
        assert data["period"] == period_ms
        assert data["origin"] == {
            "value": 0,
            "unit": f"on a scale from {bounds[0]} to {bounds[1]}",
            "system": "http://unitsofmeasure.org",
            "code": "1",
        }
        assert one["note"][-1]["text"] == grid
    assert found["emotion"]["valueCodeableConcept"]["text"] == channel.emotion
    assert {part["code"]["coding"][0]["code"] for part in found["emotion"]["component"]} == {
        f"probability-{label}-recording" for label in SIX_LABELS
    }
    for one in found.values():
        assert (one["status"], datetime.fromisoformat(one["issued"])) == ("preliminary", MOMENT)
        assert one["category"] == [{"text": "Automated estimate of affect"}]
        assert [note["text"] for note in one["note"]][:4] == [
            CAUTION,
            "flag: trained: prior",
            "Each value takes 1 s of the future into account.",
            "sound track, flag: padded",
        ]
        for part in one.get("component", ()):
            assert (part["valueQuantity"]["system"], part["valueQuantity"]["code"]) == (
                "http://unitsofmeasure.org",
                "1",
            )
    [origin] = resources(body, "Provenance")
    assert datetime.fromisoformat(origin["recorded"]) == MOMENT
    assert origin["entity"][0]["what"]["identifier"]["value"] == "r"
    assert len(origin["agent"]) == 3


@pytest.mark.parametrize("version", ["4.0", "5.0"])
def test_devices_name_the_models(version: str) -> None:
    result = example_affect(40, audio=True)
    models = {part: replace(model, version="1.2") for part, model in result.models.items()}
    body = fhir_bundle(findings_of_affect(replace(result, models=models)), "r", FhirRequest(version))
    devices = {one["modelNumber"]: one for one in resources(body, "Device")}
    assert set(devices) == {"affect-prior", "mediapipe-faces", "speech-emotion-small"}
    for name, one in devices.items():
        assert one["identifier"][1]["value"] == "ab" * 32
        assert [(made["type"]["text"], made["value"]) for made in one["version"]] == [
            ("model", "1" if name == "speech-emotion-small" else "1.2"),
            ("Emoserve", __version__),
        ]
        assert one["note"] == [{"text": "Licence of the weights: CC0-1.0. Ran on CPUExecutionProvider."}]
        assert name == (one["deviceName"][0]["name"] if version == "4.0" else one["name"][0]["value"])


def test_a_table_has_its_confidence_from_no_face_model() -> None:
    result = example_affect(40)
    result = replace(result, models={"affect": result.models["affect"]})
    body = fhir_bundle(findings_of_affect(result), "r", FhirRequest("4.0"))
    assert [one["modelNumber"] for one in resources(body, "Device")] == ["affect-prior"]


def test_silence_is_absent_and_not_zero() -> None:
    timeline = example_timeline(3, SIX_LABELS, gaps=((0, 3),))
    result = replace(
        example_result(3), labels=SIX_LABELS, channels=(example_channel("mix", timeline, SIX_LABELS, "silent"),)
    )
    found = observations(fhir_bundle(findings_of_audio(result), "r", FhirRequest("4.0")))
    assert "emotion" not in found
    for one in found.values():
        assert one["dataAbsentReason"]["coding"][0]["code"] == "unknown"
        assert not {"valueSampledData", "component"} & one.keys()
        assert {"text": "flag: silent"} in one["note"]


def test_channels_are_told_apart() -> None:
    timelines = [example_timeline(4, SIX_LABELS, seed=seed) for seed in (1, 2)]
    channels = tuple(
        example_channel(name, timeline, SIX_LABELS) for name, timeline in zip(("left", "right"), timelines, strict=True)
    )
    result = replace(example_result(4), labels=SIX_LABELS, channels=channels)
    found = observations(fhir_bundle(findings_of_audio(result), "r", FhirRequest("4.0")))
    for name, timeline in zip(("left", "right"), timelines, strict=True):
        assert decoded(found[f"arousal-channel-{name}"]) == pytest.approx(timeline.arousal.tolist(), abs=6e-5)
    assert len(found) == 3 * (2 + len(SIX_LABELS)) + 1


def test_the_same_answer_is_the_same_bundle() -> None:
    findings = findings_of_audio(gaps())
    five = FhirRequest("5.0")
    assert fhir_bundle(findings, "r", five, MOMENT) == fhir_bundle(findings, "r", five, MOMENT)
    addresses = [
        entry["fullUrl"]
        for request_id, moment in (("r", MOMENT), ("s", MOMENT), ("r", MOMENT + timedelta(seconds=1)))
        for entry in json.loads(fhir_bundle(findings, request_id, five, moment))["entry"]
    ]
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (-0.00001, "0"), (1.0, "1"), (-1.0, "-1"), (0.12345, "0.1235"), (1e-7, "0")]
)
def test_decimals_are_plain(value: float, text: str) -> None:
    assert number(value) == text


def test_unknown_values_are_e() -> None:
    assert data_string(np.array([0.25, np.nan, -1.0])) == "0.25 E -1"


@pytest.mark.parametrize("version", list(RELEASES))
def test_action_units_decode_to_the_numbers_of_the_json_answer(version: str) -> None:
    result = example_affect(40, gaps=((5, 9),))
    document = video_affect_json(result, "r", frozenset({"action_units"}))
    found = observations(fhir_bundle(findings_of_affect(result), "r", FhirRequest(version)))
    units = document["action_units"]
    assert isinstance(units, dict)
    for name, column in units.items():
        one = found[f"action-unit-{name[2:]}"]
        told = decoded(one)
        assert [value is None for value in told] == [value is None for value in column]
        known = [(a, b) for a, b in zip(told, column, strict=True) if b is not None]
        assert np.allclose(*zip(*known, strict=True), atol=6e-4)
        assert one["valueSampledData"]["upperLimit"] == 5
        mean = one["component"][0]["valueQuantity"]["value"]
        assert mean == pytest.approx(np.mean([value for value in column if value is not None]), abs=1e-3)


def test_action_units_that_nobody_asked_for_stay_out() -> None:
    codes = observations(fhir_bundle(findings_of_affect(example_affect(20, units=False)), "r", FhirRequest("4.0")))
    assert not [code for code in codes if code.startswith("action-unit")]
