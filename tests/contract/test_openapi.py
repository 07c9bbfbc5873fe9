"""The OpenAPI document: complete, consistent, and the same as what the service does."""

from collections.abc import Iterator

import pytest

from service.api.answers import ANSWER_MEDIA_TYPES
from service.app import create_app
from service.problems import MediaInvalid, all_problems
from service.rollout import CANARY_HEADER
from service.schemas.embedding import AudioEmbeddingAnswer
from service.settings import Settings
from tests.support.json_nodes import nodes

Json = dict | list | str | int | float | bool | None


@pytest.fixture(scope="module")
def document() -> dict:
    return create_app(Settings()).openapi()


def operations(document: dict) -> Iterator[tuple[str, str, dict]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_version_and_info(document: dict) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Emoserve"
    assert "prohibited" in document["info"]["description"]


def test_references_lead_somewhere(document: dict) -> None:
    references = [node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)]
    assert references
    for reference in references:
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_operations_are_described(document: dict) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in document["tags"]}
    for path, _, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        assert set(operation["tags"]) <= tags
        placeholders = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        given = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert placeholders == given


def test_errors_are_problem_documents(document: dict) -> None:
    for path, _, operation in operations(document):
        assert "default" in operation["responses"], path
        for status, response in operation["responses"].items():
            assert response["description"], (path, status)
            assert {"X-Request-Id", "Server-Timing"} <= set(response["headers"])
            if status == "default" or int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_audio_call_is_complete(document: dict) -> None:
    operation = document["paths"]["/v1/audio/emotion"]["post"]
    content = operation["requestBody"]["content"]
    assert {"multipart/form-data", "audio/wav", "application/octet-stream"} <= set(content)
    assert set(content["multipart/form-data"]["schema"]["properties"]) == {"file", "url", "profile"}
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    assert set(parameters) == {
        *("model", "version", "timeline", "window_s", "hop_s", "channel", "track", "start_s", "end_s", "denoise"),
        *("segments", "voice_activity", "min_speech", "profile", "prior", "domain", "speakers", CANARY_HEADER),
        *("bundle", "subject", "encounter", "effective", "identifier", "summary_only", "plot_width_mm"),
    }
    for name, parameter in parameters.items():
        assert parameter["description"]
        assert not name.endswith("_s") or "seconds" in parameter["description"]
    answer = operation["responses"]["200"]["content"]
    assert set(answer) == set(ANSWER_MEDIA_TYPES)
    width = parameters["plot_width_mm"]["schema"]
    assert (width["minimum"], width["default"], width["maximum"]) == (165, 180, 841)
    assert answer["application/json"]["schema"]["$ref"].endswith("AudioEmotionAnswer")
    assert answer["application/json"]["example"]["labels"]


def test_embedding_call_is_complete(document: dict) -> None:
    operation = document["paths"]["/v1/audio/embedding"]["post"]
    parameters = {parameter["name"] for parameter in operation["parameters"]}
    assert parameters == {"model", "version", "window_s", "hop_s", "channel", "track", "start_s", "end_s", "denoise"}
    answer = operation["responses"]["200"]["content"]
    assert set(answer) == {"application/json", "text/csv"}
    example = AudioEmbeddingAnswer.model_validate(answer["application/json"]["example"])
    assert {len(row) for row in example.embedding if row is not None} == {example.dimensions}
    assert len(example.embedding) == len(example.timeline.start_s) == len(example.timeline.end_s)
    assert "answer_too_large" in str(operation["responses"]["413"])
    assert "denoiser_unavailable" in str(operation["responses"]["422"])


def test_card_of_a_fusion_is_described(document: dict) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Card"]["properties"]["members"]["items"]["$ref"].endswith("/Member")
    assert {"network", "weights_sha256", "licence", "dimensions"} <= set(schemas["Member"]["properties"])


def test_audio_call_names_every_problem_of_media(document: dict) -> None:
    responses = document["paths"]["/v1/audio/emotion"]["post"]["responses"]
    examples = {
        code: status
        for status, response in responses.items()
        for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    for kind in all_problems():
        if issubclass(kind, MediaInvalid):
            assert examples[kind.code] == str(kind.status)
    assert {"body_too_large", "media_too_long", "container_unsupported", "capacity_exceeded"} <= set(examples)
