"""Shapes, headers and negotiation of every address, over a real socket."""

import re

import httpx
import pytest

from service.api.page import MEDIA_TYPES
from service.problems import all_problems
from service.schemas.about import ModelsAnswer, ProblemDocument
from service.schemas.audio import AudioEmotionAnswer
from service.settings import Limits
from tests.shared_material import ROOT
from tests.support.fakes import PROVIDER, SHA256
from tests.support.live_server import LiveServer, serving, small_settings

WAV = {"content": b"RIFF....", "headers": {"content-type": "audio/wav"}}
EMOTION = "/v1/audio/emotion"
PAGE = ROOT / "service/api/pages/page"
ADDRESSES = [
    "/",
    "/page/main.js",
    "/page/icon.svg",
    "/docs",
    "/docs/reference.css",
    "/docs/reference.js",
    "/openapi.json",
    "/metrics",
    "/v2",
]
ADDRESSES += ["/page/main.js", "/page/icon.svg"]
ADDRESSES += ["/v2/health/live", "/v2/health/ready", "/v1/limits", "/v1/models", "/v1/models/example"]
ADDRESSES += ["/v1/models/example/1", "/v1/flags", "/v1/problems", "/v1/problems/media_empty", "/v2/models/example"]
ADDRESSES += ["/v2/models/example/ready", "/v2/models/example/versions/1", "/v2/models/example/versions/1/ready"]


def assert_common_headers(response: httpx.Response) -> None:
    assert response.headers["x-request-id"]
    assert re.search(r"total;dur=\d", response.headers["server-timing"])
    is_page = response.url.path == "/" or response.url.path.startswith("/page/")
    assert response.headers["cache-control"] == ("no-cache" if is_page else "no-store")
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_answer_to_get_and_head(client: httpx.Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200
    assert_common_headers(response)
    head = client.head(address)
    assert head.status_code == 200
    assert head.content == b""


@pytest.mark.parametrize("send", [WAV, {"files": {"file": ("a.wav", b"RIFF....", "audio/wav")}}])
def test_json_answer(client: httpx.Client, live: LiveServer, send: dict) -> None:
    response = client.post(EMOTION, params={"timeline": "true"}, **send)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert_common_headers(response)
    document = response.json()
    answer = AudioEmotionAnswer.model_validate(document)
    assert answer.request_id == response.headers["x-request-id"]
    assert answer.timeline is not None
    assert answer.timeline.probabilities["anger"][1] is None
    assert live.pipeline.seen[-1][0] == b"RIFF...."
    stages = re.findall(r"(\w+);dur=", response.headers["server-timing"])
    assert stages == ["upload", "decode", "queue", "infer", "post", "render", "total"]


def test_denoiser_is_named(client: httpx.Client, live: LiveServer) -> None:
    assert "denoiser" not in client.post(EMOTION, **WAV).json()
    answer = AudioEmotionAnswer.model_validate(client.post(EMOTION, params={"denoise": "true"}, **WAV).json())
    assert live.pipeline.seen[-1][1].denoise
    assert answer.denoiser is not None
    assert (answer.denoiser.name, answer.denoiser.version, answer.denoiser.sha256) == ("quiet", "1", SHA256)


def test_timeline_is_left_out_unless_asked_for(client: httpx.Client) -> None:
    assert "timeline" not in client.post(EMOTION, **WAV).json()


@pytest.mark.parametrize(
    ("accept", "media_type", "begin"),
    [
        ("text/csv", "text/csv; charset=utf-8", b"channel,"),
        ("image/png", "image/png", b"\x89PNG"),
        ("image/*", "image/png", b"\x89PNG"),
        ("image/svg+xml, image/png;q=0.5", "image/svg+xml", b"<?xml"),
        ("application/pdf", "application/pdf", b"%PDF-1.4"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8", b"channel,"),
        ("*/*", "application/json", b"{"),
        ("application/fhir+json", "application/fhir+json; fhirVersion=4.0", b'{"resourceType":"Bundle"'),
        (
            "application/fhir+json;fhirVersion=5.0",
            "application/fhir+json; fhirVersion=5.0",
            b'{"resourceType":"Bundle"',
        ),
    ],
)
def test_negotiation(client: httpx.Client, accept: str, media_type: str, begin: bytes) -> None:
    response = client.post(EMOTION, content=b"RIFF....", headers={"accept": accept, "content-type": "audio/wav"})
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    assert response.content.startswith(begin)


@pytest.mark.parametrize(("media_type", "size"), [("image/svg+xml", b'width="250mm"'), ("application/pdf", b"708.6")])
def test_plots_are_as_wide_as_asked_and_cannot_act(client: httpx.Client, media_type: str, size: bytes) -> None:
    drawn = client.post(EMOTION, params={"plot_width_mm": 250}, content=b"RIFF....", headers={"accept": media_type})
    assert size in drawn.content
    assert drawn.headers["x-content-type-options"] == "nosniff"
    policy = drawn.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert ("sandbox" in policy) == (media_type == "image/svg+xml")


@pytest.mark.parametrize("accept", ["image/png", "application/json", "text/csv", "text/event-stream"])
def test_a_width_in_print_is_of_two_forms_alone(client: httpx.Client, accept: str) -> None:
    response = client.post(EMOTION, params={"plot_width_mm": 200}, content=b"RIFF....", headers={"accept": accept})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert "image/svg+xml or application/pdf" in response.json()["detail"]
    usual = client.post(EMOTION, params={"plot_width_mm": 180}, content=b"RIFF....", headers={"accept": accept})
    assert usual.status_code == 200


@pytest.mark.parametrize(
    ("accept", "part"),
    [
        ("application/fhir+json", "segments"),
        ("application/fhir+json", "voice_activity"),
        ("text/csv", "voice_activity"),
    ],
)
def test_what_an_answer_cannot_carry_is_refused(client: httpx.Client, live: LiveServer, accept: str, part: str) -> None:
    before = len(live.pipeline.seen)
    response = client.post(EMOTION, params={part: "true"}, content=b"RIFF....", headers={"accept": accept})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert f"cannot carry {part}." in response.json()["detail"]
    assert len(live.pipeline.seen) == before


def test_fhir_versions_that_are_not_there(client: httpx.Client, live: LiveServer) -> None:
    before = len(live.pipeline.seen)
    response = client.post(EMOTION, content=b"RIFF....", headers={"accept": "application/fhir+json; fhirVersion=3.0"})
    assert response.status_code == 406
    assert "4.0, 4.3, 5.0" in response.json()["detail"]
    assert len(live.pipeline.seen) == before


@pytest.mark.parametrize("content_type", ["audio/x-anything", "video/mp4", "application/octet-stream", None])
def test_raw_media_types(client: httpx.Client, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert client.post(EMOTION, content=b"RIFF....", headers=headers).status_code == 200


def test_parameters_reach_the_pipeline(client: httpx.Client, live: LiveServer) -> None:
    query = "model=example&version=1&timeline=1&window_s=2&hop_s=0.5&channel=each&start_s=1&end_s=2.5"
    assert client.post(f"{EMOTION}?{query}", **WAV).status_code == 200
    options = live.pipeline.seen[-1][1]
    assert (options.model, options.version, options.timeline, options.channel) == ("example", "1", True, "each")
    assert (options.window_s, options.hop_s, options.start_s, options.end_s) == (2.0, 0.5, 1.0, 2.5)


def test_request_id_is_echoed_where_it_is_valid(client: httpx.Client) -> None:
    for proposed in ("a", "7f3c-41.A_b:~", "x" * 128):
        assert client.get("/v2", headers={"x-request-id": proposed}).headers["x-request-id"] == proposed
    for proposed in ("", "x" * 129, "a b", "a,b", "-a", "<script>"):
        assert client.get("/v2", headers={"x-request-id": proposed}).headers["x-request-id"] != proposed


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/models/", 404, "not_found"),
        ("GET", "/v1/models/unknown", 404, "model_not_found"),
        ("GET", "/v1/models/example/9", 404, "model_not_found"),
        ("GET", "/v2/models/unknown/ready", 404, "model_not_found"),
        ("GET", "/v1/problems/unknown", 404, "not_found"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", f"{EMOTION}?model=unknown", 404, "model_not_found"),
    ],
)
def test_problems_have_one_shape(client: httpx.Client, method: str, address: str, status: int, code: str) -> None:
    response = client.request(method, address, content=b"RIFF" if method == "POST" else None)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert_common_headers(response)
    problem = ProblemDocument.model_validate(response.json())
    assert (problem.status, problem.code, problem.type) == (status, code, f"/v1/problems/{code}")
    assert problem.request_id == response.headers["x-request-id"]
    assert client.get(problem.type).json()["code"] == code


def test_every_problem_is_listed_once(client: httpx.Client) -> None:
    listed = client.get("/v1/problems").json()["problems"]
    assert [entry["code"] for entry in listed] == [kind.code for kind in all_problems()]
    assert len({entry["code"] for entry in listed}) == len(listed)
    assert all(entry["title"] and entry["description"] for entry in listed)
    assert {400, 404, 405, 406, 408, 413, 415, 422, 431, 503, 504} <= {entry["status"] for entry in listed}


def test_limits_are_all_there(client: httpx.Client) -> None:
    document = client.get("/v1/limits").json()
    formats = {one["container"]: one for one in document["formats"]}
    assert formats["webm"]["title"] == "WebM/Matroska"
    assert "opus" in formats["webm"]["sound"]
    assert "vp9" in formats["webm"]["pictures"]
    assert formats["wav"]["pictures"] == []
    assert set(document["limits"]) == set(document["descriptions"]) == set(Limits.model_fields)
    assert document["limits"]["max_body_bytes"] == 4 * 1024 * 1024


def test_models_say_what_they_are_for(client: httpx.Client) -> None:
    answer = ModelsAnswer.model_validate(client.get("/v1/models").json())
    assert [model.card.version for model in answer.models] == ["1", "2"]
    assert answer.models[0].sha256 == SHA256
    assert answer.models[0].card.intended_use
    assert answer.models[0].card.known_limits
    members = client.get("/v1/models/example/1").json()["card"]["members"]
    assert [(member["network"], member["dimensions"]) for member in members] == [("squeezenet", 3)]
    assert [model.name for model in answer.withheld] == ["restricted"]
    assert client.get("/v1/models/restricted").json()["withheld"][0]["reason"]


def test_open_inference_protocol_metadata(client: httpx.Client) -> None:
    assert client.get("/v2").json()["name"] == "emoserve"
    metadata = client.get("/v2/models/example").json()
    assert metadata["versions"] == ["1", "2"]
    assert metadata["platform"] == "onnxruntime_onnx"
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["waveform", "lengths"]
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["probabilities", "arousal", "valence", "embedding"]
    assert [tensor["shape"] for tensor in metadata["outputs"]] == [[-1, 2], [-1], [-1], [-1, 3]]
    assert client.get("/v2/health/ready").json() == {
        "ready": True,
        "provider": PROVIDER,
        "fallback": None,
        "sandbox": {"seccomp": True, "landlock": 7, "unprivileged": True},
        "reloads": 0,
        "reload_problem": None,
    }


def test_pages_load_nothing_from_outside(client: httpx.Client) -> None:
    names = [path.name for path in PAGE.iterdir() if path.suffix[1:] in MEDIA_TYPES]
    assert len(names) > 20
    files = ["/", "/docs", "/docs/reference.css", "/docs/reference.js", *(f"/page/{name}" for name in names)]
    for address in files:
        response = client.get(address)
        assert "default-src 'none'" in response.headers["content-security-policy"]
        outside = re.findall(r"(?:https?:)?//[a-z0-9.:]+", response.text.replace("\n// ", "\n"))
        assert set(outside) <= {"http://www.w3.org"}  # the name of SVG, which is no address to load from


def test_page_files_are_kept_until_they_change(client: httpx.Client) -> None:
    for address, kind in (("/", "text/html"), ("/page/style.css", "text/css"), ("/page/main.js", "text/javascript")):
        first = client.get(address)
        assert first.headers["content-type"].startswith(kind)
        tag = first.headers["etag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            again = client.get(address, headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            assert_common_headers(again)
        assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200
        assert client.head(address, headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "__init__.py", "..%2Freference.js", "main", ""])
def test_page_has_no_other_files(client: httpx.Client, name: str) -> None:
    assert client.get(f"/page/{name}").json()["code"] == "not_found"


def test_docs_can_be_switched_off() -> None:
    with serving(small_settings(docs=False)) as server:
        assert httpx.get(f"{server.url}/docs").status_code == 404
        assert httpx.get(f"{server.url}/docs/reference.js").status_code == 404
        assert httpx.get(f"{server.url}/").status_code == 200


def test_connection_is_kept_for_the_next_request(client: httpx.Client) -> None:
    ports = set()
    for _ in range(3):
        response = client.post(EMOTION, **WAV)
        ports.add(response.extensions["network_stream"].get_extra_info("client_addr")[1])
    assert len(ports) == 1
