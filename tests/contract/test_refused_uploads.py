"""Parameters and recordings that are refused, in the same way at every address that takes an upload."""

import httpx
import pytest

from service.schemas.about import ProblemDocument
from tests.support.hostile_rows import UPLOAD_ROUTES

EMOTION, EMBEDDING, VIDEO, TABLE = (route.path for route in UPLOAD_ROUTES)
VOICE, FACE = (EMOTION, EMBEDDING), (VIDEO, TABLE)
MEDIA_TYPES = {route.path: {"content-type": route.raw_type} for route in UPLOAD_ROUTES}
SPANS = ("mean", "3:1", "1:1", "1:", ":", "-1:2", "nan:2", "1:inf", "1:2:3", "1e9:2e9", "٣:٤")
BAD: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = [
    (VOICE, "hop_s", ("0", "0.01", "nan", "1e400")),
    (VOICE, "window_s", ("-1", "inf", "100000", "two")),
    (VOICE, "channel", ("middle",)),
    (VOICE, "denoise", ("perhaps", "true&denoise=false")),
    ((*VOICE, TABLE), "model", ("x" * 65,)),
    ((EMOTION,), "windows", ("2",)),
    ((EMOTION,), "timeline", ("perhaps",)),
    ((EMOTION,), "hop_s", ("1&hop_s=2",)),
    ((EMBEDDING,), "timeline", ("true",)),
    (FACE, "include", ("everything", "audio," * 30)),
    ((VIDEO,), "face", ("-1", "smallest", "1e3", "9999999", "")),
    ((VIDEO,), "neutral", (*SPANS, "none&neutral=median")),
    ((VIDEO,), "fps", ("25",)),
    ((VIDEO,), "channel", ("middle",)),
    ((VIDEO,), "audio_model", ("emonet-open",)),
    ((TABLE,), "channel", ("left",)),
    ((TABLE,), "include", ("audio",)),
    ((TABLE,), "neutral", ("none",)),
    ((TABLE,), "fps", ("0", "4.9", "201", "nan", "inf", "-25", "fast", "")),
]
"""Addresses, a parameter, and values of it that each is refused."""

QUERIES = [
    (address, f"{name}={value}", f"/{name}")
    for addresses, name, values in BAD
    for address in addresses
    for value in values
]
QUERIES += [(address, "start_s=3&end_s=2", "/end_s") for address in VOICE]
QUERIES += [(EMOTION, "a/b~c=2", "/a~1b~0c"), (VIDEO, "include=action_units&audio_version=1", "/audio_version")]


@pytest.mark.parametrize(("address", "query", "pointer"), QUERIES)
def test_bad_parameters_are_pointed_at(client: httpx.Client, address: str, query: str, pointer: str) -> None:
    response = client.post(f"{address}?{query}", content=b"RIFF....", headers=MEDIA_TYPES[address])
    assert response.status_code == 422
    problem = ProblemDocument.model_validate(response.json())
    assert problem.code == "config_invalid"
    assert problem.errors is None or problem.errors[0].pointer == pointer
    assert problem.errors or (address in FACE and pointer.strip("/") in problem.detail)


@pytest.mark.parametrize("address", MEDIA_TYPES)
def test_problems_of_the_pipeline_are_told(client: httpx.Client, address: str) -> None:
    headers = MEDIA_TYPES[address]
    unknown = client.post(f"{address}?model=unknown", content=b"RIFF", headers=headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")
    invalid = client.post(address, content=b"invalid", headers=headers)
    assert (invalid.status_code, invalid.json()["code"]) == (422, "media_invalid")


@pytest.mark.parametrize("address", VOICE)
def test_an_absent_denoiser_is_pointed_at(client: httpx.Client, address: str) -> None:
    noisy = client.post(f"{address}?denoise=true", content=b"noisy", headers=MEDIA_TYPES[address])
    problem = ProblemDocument.model_validate(noisy.json())
    assert (problem.status, problem.code) == (422, "denoiser_unavailable")
    assert problem.errors is not None
    assert problem.errors[0].pointer == "/denoise"
