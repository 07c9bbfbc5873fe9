"""The bounds of every query parameter: what lies beyond one is refused and pointed at, what lies on it is taken."""

import pytest
from fastapi import Request
from pydantic import BaseModel, ValidationError

from service.api.action_units import TableCallQuery
from service.api.audio import AudioCallQuery
from service.api.parameters import (
    MAX_ERRORS,
    AudioQuery,
    EmbeddingQuery,
    ParameterErrors,
    RecordingQuery,
    parameter_errors,
    refuse_repeated_parameters,
)
from service.api.video import VideoCallQuery
from service.api.video_parameters import TableQuery, VideoQuery
from service.http.problem_response import pointer_to
from service.problems import Unprocessable
from service.render.fhir.request import FhirRequest
from service.render.plot_style import PlotForm
from service.settings import Limits

LIMITS = Limits(min_hop_s=0.05)
NO_NUMBERS = ("nan", "inf", "-inf", "two", "")

SOUND: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "model": (("", "m" * 64), ("m" * 65,)),
    "version": (("", "v" * 32), ("v" * 33,)),
    "window_s": (("0.001", "3600"), ("0", "-1", "3600.001", *NO_NUMBERS)),
    "hop_s": (("0.05", "3600"), ("0", "0.0499", "-1", "3600.001", *NO_NUMBERS)),
    "channel": (("mix", "left", "right", "each"), ("both", "")),
    "start_s": (("0", "1e9"), ("-0.001", *NO_NUMBERS)),
    "end_s": (("0.001", "1e9"), ("0", "-1", *NO_NUMBERS)),
    "denoise": (("true", "0"), ("maybe",)),
    "unknown": ((), ("1",)),
}
AFFECT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "model": SOUND["model"],
    "version": SOUND["version"],
    "face": (("largest", "0", "000012", "999999"), ("1000000", "-1", "1.5", "largest1", "1 ", "", "²")),
    "unknown": ((), ("1",)),
}
VIDEO = AFFECT | {
    "include": (("", "audio, action_units,", "attribution" + "," * 117), ("sound", "attribution" + "," * 118)),
    "neutral": (
        ("median", "none", "document", "0:0.5", "0:999999.999999"),
        ("mean", "1:1", "2:1", "-1:2", "1:2s", "0:1000000", "0:inf", "1", ""),
    ),
    "channel": SOUND["channel"],
}
PRIOR = (
    ("card", "uniform", "anger:1", "anger:0.25,neutral:3", "a b:0", "anger:" + "1" * 9 + "." + "1" * 9),
    (
        *("", "Card", "anger", "anger:", ":1", "anger:-1", "anger:1e3", "anger:nan", "anger:1,", "anger:1,anger:2"),
        *("anger:1;neutral:2", "anger:" + "1" * 10, "a" * 65 + ":1", ",".join(f"label{n:02}:0.1" for n in range(50))),
    ),
)
SPEAKERS = (("off", "auto", "1", "9", "10", "20"), ("", "Auto", "0", "01", "21", "100", "-1", "1.0", "two"))
WITH_LOOKS = {"expression_model": SOUND["model"], "expression_version": SOUND["version"]}
WITH_SOUND = {"audio_model": SOUND["model"], "audio_version": SOUND["version"]}
TABLE = AFFECT | {
    "include": (("", "action_units, attribution"), ("audio",)),
    "fps": (("5", "200"), ("4.99", "200.01", "0", *NO_NUMBERS)),
}
FHIR_ANSWER: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bundle": (("collection", "transaction"), ("batch", "")),
    "subject": (
        (
            "Patient/" + "a" * 64,
            "Group/1.2-3",
            "http://localhost:8080/Patient/1",
            "https://h.example/a/b/fhir/Patient/1",
        ),
        ("Patient/" + "a" * 65, "Group/", "ftp://h/Patient/1", "https://h.example/" + "a/" * 9 + "Patient/1", "1", ""),
    ),
    "encounter": (("Encounter/1", "https://h.example/fhir/Encounter/1"), ("Patient/1", "Encounter/_", "")),
    "effective": (
        ("1900", "2099", "2026-12", "2024-02-29", "2026-01-01T00:00:00Z", "2026-01-01T23:59:59.123456+13:59"),
        ("1899", "2100", "2026-00", "2026-02-29", "2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00+14:00", ""),
    ),
    "identifier": (
        ("1", "v" * 200, "urn:oid:1.2|1", "https://h.example/visits|17/1"),
        ("v" * 201, "1|1", "a:b|", "é", ""),
    ),
    "summary_only": SOUND["denoise"],
}
KINDS: tuple[tuple[type[BaseModel], dict[str, tuple[tuple[str, ...], tuple[str, ...]]], dict[str, str]], ...] = (
    (AudioQuery, SOUND | {"timeline": SOUND["denoise"], "prior": PRIOR, "speakers": SPEAKERS}, {}),
    (EmbeddingQuery, SOUND, {}),
    (VideoQuery, VIDEO, {}),
    (VideoQuery, WITH_SOUND, {"include": "audio"}),
    (VideoQuery, WITH_LOOKS, {"include": "expression"}),
    (TableQuery, TABLE, {}),
    (AudioCallQuery, FHIR_ANSWER | {"plot_width_mm": (("165", "841"), ("164.9", "841.1", *NO_NUMBERS))}, {}),
    (AudioCallQuery, FHIR_ANSWER | {"prior": PRIOR}, {}),
    (VideoCallQuery, FHIR_ANSWER | VIDEO, {}),
    (TableCallQuery, FHIR_ANSWER | TABLE, {}),
)


def options_of(kind: type[BaseModel], query: dict[str, str]) -> object:
    read = kind.model_validate(query)
    if isinstance(read, AudioQuery | EmbeddingQuery):
        return read.options(LIMITS)
    assert isinstance(read, VideoQuery | TableQuery)
    return read.options()


@pytest.mark.parametrize(("kind", "bounds", "others"), KINDS)
def test_bounds(
    kind: type[BaseModel], bounds: dict[str, tuple[tuple[str, ...], tuple[str, ...]]], others: dict[str, str]
) -> None:
    for name, (taken, refused) in bounds.items():
        for value in taken:
            options_of(kind, {**others, name: value})
        for value in refused:
            with pytest.raises((ValidationError, Unprocessable)) as caught:
                options_of(kind, {**others, name: value})
            error = caught.value
            if isinstance(error, Unprocessable):
                assert error.pointer == f"/{name}"
            else:
                assert [each["loc"] for each in error.errors()] == [(name,)]


@pytest.mark.parametrize("kind", [AudioQuery, EmbeddingQuery])
@pytest.mark.parametrize(("end_s", "is_taken"), [("1.999", False), ("2", False), ("2.001", True)])
def test_the_end_lies_after_the_start(kind: type[RecordingQuery], end_s: str, is_taken: bool) -> None:
    query = {"start_s": "2", "end_s": end_s}
    if is_taken:
        options_of(kind, query)
        return
    with pytest.raises(Unprocessable) as caught:
        options_of(kind, query)
    assert caught.value.pointer == "/end_s"


@pytest.mark.parametrize("name", [*WITH_SOUND, *WITH_LOOKS])
def test_a_model_of_a_part_needs_the_part(name: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        options_of(VideoQuery, {name: "1", "include": "attribution"})
    assert caught.value.pointer == f"/{name}"


def test_every_parameter_is_handed_on() -> None:
    video = {"model": "m", "version": "2", "face": "007", "neutral": "1:2", "channel": "left"}
    video |= {
        "include": " audio ,action_units",
        "audio_model": "a",
        "audio_version": "3",
        "expression_model": None,
        "expression_version": None,
        "track": 1,
        "picture_track": 0,
    }
    read = {"face": "7", "include": frozenset({"audio", "action_units"}), "resting": None}
    assert vars(options_of(VideoQuery, video)) == video | read
    given = {"subject": "Patient/1", "bundle": "transaction", "summary_only": True}
    both = AudioCallQuery(model="m", speakers="2", **given)
    assert both.options(LIMITS) == AudioQuery(model="m", speakers="2").options(LIMITS)
    assert both.fhir("application/fhir+json; fhirVersion=5.0", "j") == FhirRequest("5.0", analysis="j", **given)
    assert AudioCallQuery(plot_width_mm=200).form("image/svg+xml").plot == PlotForm("svg", 200)
    table = {"model": "m", "version": "2", "face": "3", "fps": "25", "include": "attribution"}
    assert vars(options_of(TableQuery, table)) == table | {"fps": 25.0, "include": frozenset({"attribution"})}


def test_errors_are_few_and_their_pointers_short() -> None:
    errors = [{"loc": ("query", "x" * 100), "msg": "unknown"}] * 50
    problem = parameter_errors(errors)
    assert isinstance(problem, ParameterErrors)
    assert problem.errors == [{"pointer": "/" + "x" * 64, "detail": "unknown"}] * MAX_ERRORS
    unknown = [{"type": "extra_forbidden", "loc": ("query", "tmeline"), "msg": "Extra inputs are not permitted"}]
    told = [
        parameter_errors(unknown, known).errors[0]["detail"] for known in (["timeline", "face"], ["limit", "face"], [])
    ]
    assert told == [
        "There is no such parameter. Did you mean 'timeline'?",
        "There is no such parameter. There are: face, limit.",
        "Extra inputs are not permitted",
    ]
    repeated = "&".join(f"p{number}=1&p{number}=2" for number in range(50))
    with pytest.raises(ParameterErrors) as caught:
        refuse_repeated_parameters(Request({"type": "http", "query_string": repeated.encode()}))
    assert [error["pointer"] for error in caught.value.errors] == [f"/p{number}" for number in range(MAX_ERRORS)]
    assert pointer_to("a/b~c", 1) == "/a~1b~0c/1"
