"""Documents that are none, as parts of uploads and as members of a stream's config."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer
from tests.support.raw_http import END, FORM, part
from tests.support.stream_client import AUDIO, VIDEO, StreamClient
from tests.support.tiny_services import needs_faces, serving_project_jobs

CANARY = "canary\u202e"
FACE = {"format": "emoserve-profile/1", "kind": "face", "encoder_sha256": "0" * 64, "frames": 9, "mesh": 478}
VOICE = {"format": "emoserve-profile/1", "kind": "voice", "encoder_sha256": "0" * 64, "clips": 9, "speech_s": 9.0}
NUMBERS = {"dimensions": 1, "mean": "AAA=", "deviation": "AAA="}
TEXTS = {
    "brackets": b"[" * 10_000,
    "braces": b'{"a":' * 5000,
    "cut": json.dumps(VOICE | NUMBERS).encode()[:-1],
    "other encoding": json.dumps(VOICE | NUMBERS).encode("utf-16"),
    "no unicode": b'{"format":"\xff"}',
    "zeros": bytes(100),
    "null": b"null",
    "number": b"1e400",
    "twice": json.dumps(VOICE | NUMBERS).encode()[:-1] + b', "kind": "hand"}',
    "not a number": json.dumps(VOICE | NUMBERS | {"speech_s": float("nan")}).encode(),
    "huge": json.dumps(VOICE | NUMBERS | {"clips": 10**300}).encode(),
    "huge frames": json.dumps(FACE | {"mean": "AAAA", "frames": 10**300}).encode(),
}
MEMBERS = {
    "empty": {},
    "kind": {"kind": CANARY},
    "member": VOICE | NUMBERS | {CANARY: 1},
    "text as number": VOICE | NUMBERS | {"clips": "9"},
    "true as number": FACE | {"mean": "AAAA", "frames": True},
    "list as text": FACE | {"mean": ["AAAA"]},
}
OF_A_FACE = {
    "broken base64": FACE | {"mean": "A" * 45},
    "infinity": FACE | {"mean": "AHwA" + "AAAA" * 10 + "AAA="},
    "too long": FACE | {"mean": "AAAA" * 12},
}
OF_A_VOICE = {
    "broken base64": VOICE | NUMBERS | {"mean": "AAA"},
    "infinity": VOICE | NUMBERS | {"mean": "AHw="},
    "too long": VOICE | NUMBERS | {"mean": "AAAA"},
}
"""Documents of each kind whose numbers cannot be: a call for the other kind tells that first."""
CALLS = [
    ("/v1/audio/emotion", "profile", OF_A_VOICE),
    ("/v1/jobs/audio-emotion", "profile", OF_A_VOICE),
    ("/v1/video/affect", "neutral", OF_A_FACE),
    ("/v1/jobs/video-affect", "neutral", OF_A_FACE),
    ("/v1/profiles", "profile", OF_A_VOICE),
    ("/v1/profiles?kind=face", "profile", OF_A_FACE),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    needs_faces()
    with serving_project_jobs(tmp_path_factory.mktemp("state")) as server:
        yield server


def told(server: LiveServer, path: str, *parts: tuple[str, bytes]) -> httpx.Response:
    body = part(wav(tone(1.0))) + b"".join(part(content, name.encode(), b"p.json") for name, content in parts) + END
    return httpx.post(server.url + path, content=body, headers=FORM, timeout=60)


@pytest.mark.hostile_row(80)
@pytest.mark.parametrize(("path", "name", "own"), CALLS)
def test_parts_that_are_no_documents(
    project: LiveServer, path: str, name: str, own: dict[str, dict[str, object]]
) -> None:
    documents = TEXTS | {title: json.dumps(members).encode() for title, members in (MEMBERS | own).items()}
    for title, content in documents.items():
        answer = told(project, path, (name, content))
        assert (answer.status_code, answer.json()["code"]) == (422, "profile_invalid"), (title, answer.text)
        assert answer.json()["errors"][0]["pointer"] == f"/{name}"
        assert "canary" not in answer.text
    for parts, code in (
        ([(name, b"x" * 32_769)], "field_too_large"),
        ([(name, b"{}"), (name, b"{}")], "multipart_invalid"),
        ([("other", b"{}")], "field_missing"),
    ):
        assert told(project, path, *parts).json()["code"] == code
    assert "canary" not in project.log.getvalue()
    assert httpx.get(f"{project.url}/v2/health/ready").status_code == 200


@pytest.mark.stream_row("documents")
@pytest.mark.parametrize(
    ("path", "name", "needed", "own"),
    [(AUDIO, "profile", {"sample_rate_hz": 16000}, OF_A_VOICE), (VIDEO, "neutral", {}, OF_A_FACE)],
)
def test_members_that_are_no_documents(
    project: LiveServer, path: str, name: str, needed: dict[str, int], own: dict[str, dict[str, object]]
) -> None:
    for title, members in (MEMBERS | own).items():
        with StreamClient(project, path) as client:
            client.say("config", **needed, **{name: members})
            error = client.hear()
            assert (error["code"], error["pointer"]) == ("profile_invalid", f"/{name}"), (title, error)
            assert "canary" not in json.dumps(error)
            assert client.close_code() == 1007
    for other in ([], 1, None, True, [VOICE]):
        with StreamClient(project, path) as client:
            client.say("config", **needed, **{name: other})
            assert client.hear()["code"] == "config_invalid"
            assert client.close_code() == 1007
