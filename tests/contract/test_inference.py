"""``/v2/models/{model}/infer`` on a real socket: with Triton's own client, and with requests that cannot be."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from service.http.tensors import INFERENCE_HEADER, MAX_JSON_BYTES
from tests.support.credentials import add_key
from tests.support.live_server import LiveServer
from tests.support.tiny_services import serving_tiny
from tests.tiny_models import (
    expected_embedding,
    expected_probabilities,
    write_denoiser_bundle,
    write_embedding_bundle,
    write_speech_bundle,
    write_voice_bundle,
)

INFER = "/v2/models/tiny/infer"
RANDOM = np.random.default_rng(5)
CLIPS = RANDOM.normal(0.1, 0.3, (3, 4000)).astype(np.float32)
LENGTHS = np.array([4000, 2000, 1700], np.int64)
OUTPUTS = ["probabilities", "arousal", "valence", "embedding", "statistics"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder)
    write_speech_bundle(folder, version="2", labels=("anger", "fear", "neutral"))
    write_speech_bundle(folder, "brief", min_length_s=1e-5)
    write_embedding_bundle(folder)
    write_denoiser_bundle(folder)
    write_voice_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[LiveServer]:
    with serving_tiny(models, threads=2, limits={"max_embedding_values": 5000}) as server:
        yield server


@pytest.fixture
def client(server: LiveServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


def tensor(name: str, values: np.ndarray, *, binary: bool = True) -> triton.InferInput:
    given = triton.InferInput(name, list(values.shape), "FP32" if values.dtype == np.float32 else "INT64")
    given.set_data_from_numpy(values, binary_data=binary)
    return given


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_gets_what_the_graph_says(client: triton.InferenceServerClient, binary: bool) -> None:
    metadata = client.get_model_metadata("tiny", "1")
    assert client.is_server_ready()
    assert client.is_model_ready("tiny", "1")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    kinds = {"waveform": CLIPS, "lengths": LENGTHS}
    inputs = [tensor(one["name"], kinds[one["name"]], binary=binary) for one in metadata["inputs"]]
    wanted = [triton.InferRequestedOutput(one["name"], binary_data=binary) for one in metadata["outputs"]]
    result = client.infer("tiny", inputs, "1", outputs=wanted, request_id="visit")
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("tiny", "1", "visit")
    assert [one["name"] for one in answer["outputs"]] == OUTPUTS == [one["name"] for one in metadata["outputs"]]
    for one, told in zip(answer["outputs"], metadata["outputs"], strict=True):
        assert one["datatype"] == told["datatype"]
        assert len(one["shape"]) == len(told["shape"])
        assert all(size in (known, -1) or known == -1 for size, known in zip(one["shape"], told["shape"], strict=True))
    clips = [row[:length] for row, length in zip(CLIPS, LENGTHS, strict=True)]
    probabilities = result.as_numpy("probabilities")
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, [expected_probabilities(clip) for clip in clips], atol=1e-5)
    np.testing.assert_allclose(result.as_numpy("embedding"), [expected_embedding(clip) for clip in clips], atol=1e-5)
    np.testing.assert_allclose(result.as_numpy("valence"), np.tanh([clip.mean() for clip in clips]), atol=1e-5)


def test_one_clip_the_newest_version_and_all_outputs_by_default(client: triton.InferenceServerClient) -> None:
    result = client.infer("tiny", [tensor("waveform", CLIPS[0])])
    assert result.get_response()["model_version"] == "2"
    assert result.as_numpy("probabilities").shape == (1, 3)
    assert [one["name"] for one in result.get_response()["outputs"]] == OUTPUTS
    (only,) = client.infer(
        "tiny", [tensor("waveform", CLIPS)], outputs=[triton.InferRequestedOutput("valence")]
    ).get_response()["outputs"]
    assert (only["name"], only["shape"]) == ("valence", [3])


def test_other_speech_graphs_run_too(client: triton.InferenceServerClient) -> None:
    inputs = [tensor("waveform", CLIPS[:1, :2000]), tensor("lengths", np.array([1700]))]
    embedding = client.infer("tiny-embedding", inputs).as_numpy("embedding")
    np.testing.assert_allclose(embedding, [expected_embedding(CLIPS[0, :1700])], atol=1e-5)
    denoised = client.infer("tiny-denoiser", inputs).as_numpy("denoised")
    np.testing.assert_allclose(denoised, [CLIPS[0, :1700] / 2], atol=1e-6)
    with pytest.raises(InferenceServerException, match="5000 numbers"):
        client.infer("tiny-denoiser", [tensor("waveform", CLIPS)])
    with pytest.raises(InferenceServerException, match="takes no tensors"):
        client.infer("tiny-voice", inputs)


def test_json_and_bytes_can_be_mixed(http: httpx.Client) -> None:
    lengths = {"name": "lengths", "shape": [3], "datatype": "INT64", "data": LENGTHS.tolist()}
    waveform = {"name": "waveform", "shape": [3, 4000], "datatype": "FP32"}
    size = {"parameters": {"binary_data_size": CLIPS.nbytes}}
    outputs = [{"name": "valence"}, {"name": "arousal", "parameters": {"binary_data": True}}]
    header = json.dumps({"inputs": [lengths, waveform | size], "outputs": outputs}).encode()
    answer = http.post(INFER, content=header + CLIPS.tobytes(), headers={INFERENCE_HEADER: str(len(header))})
    assert answer.status_code == 200, answer.text
    end = int(answer.headers[INFERENCE_HEADER])
    document = json.loads(answer.content[:end])
    clips = [row[:length] for row, length in zip(CLIPS, LENGTHS, strict=True)]
    np.testing.assert_allclose(document["outputs"][0]["data"], np.tanh([clip.mean() for clip in clips]), atol=1e-5)
    assert document["outputs"][1]["parameters"] == {"binary_data_size": 12}
    arousal = np.frombuffer(answer.content[end:], "<f4")
    np.testing.assert_allclose(arousal, np.tanh([(clip**2).mean() for clip in clips]), atol=1e-5)
    flat = {"inputs": [lengths, waveform | {"data": CLIPS.reshape(-1).tolist()}], "outputs": outputs[:1]}
    nested = {"inputs": [waveform | {"data": CLIPS.tolist()}, lengths], "outputs": outputs[:1]}
    for body in (flat, nested):
        again = http.post(INFER, json=body).json()
        np.testing.assert_allclose(again["outputs"][0]["data"], document["outputs"][0]["data"], atol=1e-6)


WAVEFORM = {"name": "waveform", "shape": [2000], "datatype": "FP32", "data": [0.1] * 2000}


def asked(change: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A request for one clip with changes of its input and of its members."""
    return {"inputs": [WAVEFORM | (change or {})], **members}


def lengths(*values: float, shape: int | None = None) -> list[dict[str, Any]]:
    entry = {"name": "lengths", "shape": [shape or len(values)], "datatype": "INT64", "data": list(values)}
    return [WAVEFORM, entry]


BAD = {
    "no inputs": ({}, "/inputs"),
    "empty inputs": ({"inputs": []}, "/inputs"),
    "unknown member": (asked(model="x"), "/model"),
    "unknown parameter": (asked(parameters={"sequence_id": 1}), "/parameters/sequence_id"),
    "classification": (
        asked(outputs=[{"name": "valence", "parameters": {"classification": 2}}]),
        "/outputs/0/parameters",
    ),
    "unknown input": (asked({"name": "sound"}), "/inputs/0/name"),
    "lengths alone": ({"inputs": lengths(2000)[1:]}, "/inputs"),
    "twice": ({"inputs": [WAVEFORM, WAVEFORM]}, "/inputs/1/name"),
    "unknown output": (asked(outputs=[{"name": "joy"}]), "/outputs/0/name"),
    "output twice": (asked(outputs=[{"name": "valence"}] * 2), "/outputs"),
    "other datatype": (asked({"datatype": "FP64"}), "/inputs/0/datatype"),
    "wrong datatype": (asked({"datatype": "INT64", "data": [1] * 2000}), "/inputs/0/datatype"),
    "three dimensions": (asked({"shape": [1, 1, 2000]}), "/inputs/0/shape"),
    "no dimension": (asked({"shape": []}), "/inputs/0/shape"),
    "size 0": (asked({"shape": [0], "data": []}), "/inputs/0/shape/0"),
    "negative size": (asked({"shape": [-1]}), "/inputs/0/shape/0"),
    "size as text": (asked({"shape": ["2000"]}), "/inputs/0/shape/0"),
    "fewer numbers": (asked({"shape": [2001]}), "/inputs/0/data"),
    "other rows": (asked({"shape": [2, 1000], "data": [[0.1] * 500] * 4}), "/inputs/0/data"),
    "ragged rows": (asked({"shape": [2, 1000], "data": [[0.1] * 1000, [0.1] * 999]}), "/inputs/0/data"),
    "texts": (asked({"data": ["0.1"] * 2000}), "/inputs/0/data"),
    "booleans": (asked({"data": [True] * 2000}), "/inputs/0/data"),
    "nulls": (asked({"data": [None] * 2000}), "/inputs/0/data"),
    "no number in FP32": (asked({"data": [1e300] * 2000}), "/inputs"),
    "too loud": (asked({"data": [65.0] * 2000}), "/inputs"),
    "neither data nor bytes": (asked({"data": None}), "/inputs/0"),
    "both": (asked({"parameters": {"binary_data_size": 8000}}), "/inputs/0"),
    "bytes that are not there": (asked({"data": None, "parameters": {"binary_data_size": 8000}}), "/inputs/0"),
    "too short": (asked({"shape": [1599], "data": [0.1] * 1599}), "/inputs"),
    "too long": (asked({"shape": [160_001], "data": [0] * 160_001}), "/inputs"),
    "length beyond the row": ({"inputs": lengths(2001)}, "/inputs"),
    "length below the least": ({"inputs": lengths(0)}, "/inputs"),
    "length as a fraction": ({"inputs": lengths(2000.0)}, "/inputs/1/data"),
    "more lengths than rows": ({"inputs": lengths(2000, 2000)}, "/inputs"),
    "lengths of two dimensions": (
        {"inputs": [WAVEFORM, lengths(2000)[1] | {"shape": [1, 1], "data": [[2000]]}]},
        "/inputs/1/shape",
    ),
    "id of a number": (asked(id=7), "/id"),
    "a list": ([], ""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_told_what_is_wrong(http: httpx.Client, name: str) -> None:
    body, pointer = BAD[name]
    answer = http.post(INFER, json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "tensor_invalid"), problem
    assert problem["error"] == problem["detail"]
    if pointer:
        assert problem["errors"][0]["pointer"].startswith(pointer), problem


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 400, "body_missing"),
        (b"{", {}, 400, "http_invalid"),
        (b"\xff\xfe", {}, 400, "http_invalid"),
        (b'{"inputs": NaN}', {}, 400, "http_invalid"),
        (b"[" * 100_000, {}, 400, "http_invalid"),
        (b"{}", {INFERENCE_HEADER: "3"}, 400, "http_invalid"),
        (b"{}", {INFERENCE_HEADER: "0"}, 400, "http_invalid"),
        (b"{}", {INFERENCE_HEADER: "-1"}, 400, "http_invalid"),
        (b"{}", {INFERENCE_HEADER: "two"}, 400, "http_invalid"),
        (b"{}", {INFERENCE_HEADER: "9" * 5000}, 400, "http_invalid"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_content_type"),
        (b"{}", {"content-type": "multipart/form-data; boundary=x"}, 415, "unsupported_content_type"),
        (b"{}", {"content-encoding": "gzip"}, 415, "content_encoding_unsupported"),
        (b" " * MAX_JSON_BYTES, {}, 413, "body_too_large"),
    ],
)
def test_bodies_that_are_no_request(http: httpx.Client, content: bytes, headers: dict, status: int, code: str) -> None:
    answer = http.post(INFER, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["error"] == answer.json()["detail"]


def test_a_clip_has_at_least_one_sample_whatever_the_card_permits(http: httpx.Client) -> None:
    brief = "/v2/models/brief/infer"
    assert http.post(brief, json={"inputs": lengths(1)}).status_code == 200
    answer = http.post(brief, json={"inputs": lengths(0)})
    assert (answer.status_code, answer.json()["code"]) == (422, "tensor_invalid")


def test_bytes_that_do_not_fit(http: httpx.Client) -> None:
    def post(values: bytes, size: int, **change: Any) -> httpx.Response:
        entry = {"name": "waveform", "shape": [2000], "datatype": "FP32", "parameters": {"binary_data_size": size}}
        header = json.dumps({"inputs": [entry | change]}).encode()
        return http.post(INFER, content=header + values, headers={INFERENCE_HEADER: str(len(header))})

    clip = CLIPS[0, :2000]
    assert post(clip.tobytes(), 8000).status_code == 200
    holes = clip.copy()
    holes[7] = np.nan
    for answer, word in (
        (post(clip.tobytes(), 7996), "8000 bytes"),
        (post(clip[:1999].tobytes(), 8000), "ends before"),
        (post(clip.tobytes() + b"more", 8000), "4 bytes of the body belong to no input"),
        (post(clip.tobytes(), 8000, shape=[2**31 - 1, 2**31 - 1]), "Its shape needs"),
        (post(holes.tobytes(), 8000), "no number"),
        (post(clip.tobytes(), -1), "binary_data_size"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "tensor_invalid"), answer.text
        assert word in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        *("/v2/models/none/infer", "/v2/models/tiny/versions/9/infer"),
        "/v2/models/tiny-voice/versions/1/infer",
    ],
)
def test_models_that_run_no_tensors_are_not_found_before_the_body_is_read(http: httpx.Client, path: str) -> None:
    answer = http.post(path, content=b"{")
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
    assert answer.json()["error"]
    assert http.get(path).status_code == 405


def test_a_key_needs_the_scope_of_analyses_and_pays(models: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    reader, analyst = add_key(keys, "reader", scopes=["models:read"]), add_key(keys, "analyst", scopes=["analyse"])
    with serving_tiny(models, threads=1, keys_file=keys) as server:
        bodies = {"json": asked(), "timeout": 60}
        assert httpx.post(server.url + INFER, **bodies).json()["error"]
        for path in (INFER, "/v2/models/tiny/versions/1/infer"):
            refused = httpx.post(server.url + path, headers={"x-api-key": reader}, **bodies)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
            assert refused.json()["error"] == refused.json()["detail"]
        answer = httpx.post(server.url + INFER, headers={"x-api-key": analyst}, **bodies)
        assert answer.status_code == 200, answer.text
        assert {"upload", "queue", "infer", "render"} <= {
            stage.partition(";")[0] for stage in answer.headers["server-timing"].split(", ")
        }
        assert server.services.loaded.pipeline.admission.held_s == 0.0
