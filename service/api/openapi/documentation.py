"""Parts of the OpenAPI document that signatures do not give: bodies, media types, problems, examples."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service import problems
from service.http.multipart import URL
from service.http.negotiation import CSV, EVENTS, FHIR, PDF, PNG, SVG
from service.http.problem_response import MEDIA_TYPE, problem_document
from service.outgoing.address import INPUT_CHARACTERS
from service.pipeline.media.containers import TITLES
from service.rollout import CANARY_HEADER
from service.schemas.about import ProblemDocument
from service.schemas.audio import AudioEmotionAnswer
from service.schemas.inference import InferRequest

Responses = dict[int | str, dict[str, Any]]

EXAMPLE_REQUEST_ID = "0b5c2f4e8d1a4c6f9e3b7a2d5c8f1e4b"
FHIR_BUNDLE = {
    "type": "object",
    "description": "A Bundle of Observations with SampledData, Devices and, in a collection, a Provenance; FHIR 4.0 "
    "(default), 4.3 or 5.0 by the parameter `fhirVersion` of the media type.",
    "required": ["resourceType", "type", "entry"],
    "properties": {
        "resourceType": {"const": "Bundle"},
        "type": {"enum": ["collection", "transaction"]},
        "entry": {"type": "array", "items": {"type": "object"}},
    },
}
EVENT_STREAM = {
    "type": "string",
    "description": "Events during the work: `progress`, then `window` or `affect` as each is known, and "
    "`result` with the whole JSON answer, or `problem`. See docs/streaming.md.",
}
BINARY = {"type": "string", "format": "binary"}
FILE = BINARY | {"minLength": 1}
PLOTS = {PNG: {"schema": BINARY}, SVG: {"schema": {"type": "string"}}, PDF: {"schema": BINARY}}
PROFILE = "profile"
"""Name of the part that holds a profile."""
NEUTRAL = "neutral"
"""Name of the part that holds the profile of a face."""
URL_PART = {
    "type": "string",
    "format": "uri",
    "maxLength": INPUT_CHARACTERS,
    "description": "Address to fetch it from in place of `file`, such as a presigned one of S3, where the operator "
    "has named its host (`input_url` of `GET /v1/limits`); https, one GET, no redirect.",
}
PROFILE_PART = {
    "type": "string",
    "contentMediaType": "application/json",
    "description": "A document of `POST /v1/profiles`.",
}

_DESCRIPTION = """
Emotion in speech and faces, behind one REST call. Times are seconds, frequencies hertz, arousal and valence lie in
−1…1, series are columns, and `null` stands for what cannot be known.

Errors are `application/problem+json` with a `code` that never changes its meaning: see `/v1/problems`.
Every response carries `X-Request-Id` and `Server-Timing`. No upload is logged, and none kept but
those of jobs, encrypted.

Emotion recognition at work and in education is prohibited in the European Union except for medical or safety
reasons. Each model's card states its intended use and its limits.
""".strip()

_AUDIO_EXAMPLE = {
    "request_id": EXAMPLE_REQUEST_ID,
    "media": {
        "duration_s": 2.0,
        "sample_rate_hz": 16000,
        "channels": 1,
        "container": "wav",
        "codec": "pcm_s16le",
    },
    "model": {"name": "example", "version": "1", "sha256": "9f2b…", "licence": "CC0-1.0"},
    "labels": ["anger", "neutral"],
    "probabilities": [0.91, 0.09],
    "emotion": "anger",
    "arousal": 0.7,
    "valence": -0.5,
    "timeline": {
        "start_s": [0.0],
        "end_s": [2.0],
        "probabilities": {"anger": [0.91], "neutral": [0.09]},
        "arousal": [0.7],
        "valence": [-0.5],
        "speech": [0.98],
    },
    "flags": [],
    "flag_spans": [],
}


def upload_body(description: str, part: str, media_types: Sequence[str]) -> dict[str, Any]:
    """OpenAPI request body of one file: raw with one of ``media_types``, or as the part ``file`` or ``url``."""
    return {
        "required": True,
        "description": f"{description}: raw, or as the multipart part `file`, or its address as the part `url`. "
        "The format is detected from the content.",
        "content": {
            **{media_type: {"schema": FILE} for media_type in media_types},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "minProperties": 1,  # generators of clients make no type of "one of these is required"
                    "additionalProperties": False,
                    "properties": {"file": {**FILE, "description": part}, URL: URL_PART},
                }
            },
        },
    }


_TAKEN = f"{', '.join(TITLES.values())}. `GET /v1/limits` lists the codecs in each."
UPLOAD_BODY = upload_body(
    "One recording",
    f"The recording: {_TAKEN}",
    ("audio/wav", "audio/*", "video/mp4", "video/*", "application/octet-stream"),
)


def with_profile_part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Add the part ``name``, which is a profile, to an upload's body."""
    content = dict(body["content"])
    schema = content["multipart/form-data"]["schema"]
    properties = schema["properties"] | {name: PROFILE_PART}
    content["multipart/form-data"] = {"schema": schema | {"properties": properties}}
    return body | {"content": content}


CANARY_PARAMETER: dict[str, Any] = {
    "name": CANARY_HEADER,
    "in": "header",
    "required": False,
    "description": "Whether the canary answers, where the service has one and the request is bound to no model; "
    "left out: the service draws.",
    "schema": {"type": "string", "enum": ["always", "never"]},
}

VOICE_BODY = with_profile_part(UPLOAD_BODY, PROFILE)
FACE_BODY = with_profile_part(UPLOAD_BODY, NEUTRAL)


def problem_responses(*kinds: type[problems.Problem]) -> Responses:
    """OpenAPI responses for ``kinds``, grouped by status, with an example of each."""
    responses: Responses = {}
    for kind in kinds:
        response = responses.setdefault(kind.status, _problem_response(""))
        separator = " · " if response["description"] else ""
        response["description"] += f"{separator}`{kind.code}`: {kind.title}"
        example = problem_document(kind(), EXAMPLE_REQUEST_ID)
        response["content"][MEDIA_TYPE].setdefault("examples", {})[kind.code] = {"value": example}
    return responses


def _problem_response(description: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": reference}}}


PROBLEM_RESPONSES: Responses = {
    "default": _problem_response("Any other error."),
    **problem_responses(problems.MethodNotAllowed, problems.HeadersTooLarge, problems.InternalError),
}

URL_PROBLEMS = (problems.UrlRefused, problems.UrlUnreadable)
"""Refusals of every call that takes a recording by its address."""
UPLOAD_PROBLEMS: tuple[type[problems.Problem], ...] = (
    problems.Malformed,
    problems.BodyMissing,
    problems.MultipartInvalid,
    problems.MultipartTruncated,
    problems.FieldNotFile,
    problems.FieldMissing,
    problems.TooManyFiles,
    problems.TooManyFields,
    problems.FieldTooLarge,
    problems.FilenameInvalid,
    problems.ModelNotFound,
    problems.NotAcceptable,
    problems.BodyTimeout,
    problems.TooLarge,
    problems.UnsupportedContentType,
    problems.ContentEncodingUnsupported,
    problems.Unprocessable,
    *URL_PROBLEMS,
    problems.Unavailable,
    problems.CapacityExceeded,
    problems.Draining,
    problems.InferenceUnavailable,
    problems.DeadlineExceeded,
)
"""Refusals of every call that takes a file."""

MEDIA_PROBLEMS: tuple[type[problems.Problem], ...] = (
    *UPLOAD_PROBLEMS,
    problems.MediaTooLong,
    problems.TooManyChannels,
    problems.FrameTooLarge,
    problems.ContainerUnsupported,
    problems.CodecUnsupported,
    *(kind for kind in problems.all_problems() if issubclass(kind, problems.MediaInvalid)),
    problems.DecoderUnavailable,
)
"""Refusals of every call that takes a recording."""

PROFILE_PROBLEMS = (problems.ProfileInvalid, problems.ProfileMismatch)
"""Refusals of every call that takes a profile."""
VOICE_PROBLEMS = (*PROFILE_PROBLEMS, problems.ProfileTooLittleSpeech)
MAKER_PROBLEMS = (*VOICE_PROBLEMS, problems.ProfileTooLittleFace)

AUDIO_RESPONSES: Responses = {
    200: {
        "model": AudioEmotionAnswer,
        "description": "The emotion of the recording, and of each window when asked for.",
        "content": {
            "application/json": {"example": _AUDIO_EXAMPLE},
            CSV: {"schema": {"type": "string", "description": "One row a window."}},
            **PLOTS,
            FHIR: {"schema": FHIR_BUNDLE},
            EVENTS: {"schema": EVENT_STREAM},
        },
    },
    **PROBLEM_RESPONSES,
    **problem_responses(*MEDIA_PROBLEMS, problems.DenoiserUnavailable, problems.SpeakersUnavailable, *VOICE_PROBLEMS),
}

NOT_FOUND_RESPONSES: Responses = PROBLEM_RESPONSES | problem_responses(problems.NotFound, problems.ModelNotFound)


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of ``app``, with schemas that no route names and the common response headers."""
    root_path = app.state.services.settings.root_path
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Self-hosted speech and face affect behind one REST call.",
        description=_DESCRIPTION,
        routes=app.routes,
        servers=[{"url": root_path}] if root_path else None,
        tags=[
            {"name": "audio", "description": "Emotion and embeddings of recordings."},
            {"name": "video", "description": "Arousal and valence of faces over time."},
            {"name": "jobs", "description": "Analyses of long recordings."},
            {"name": "models", "description": "Models that are served: training data, measurements, intended use."},
            {"name": "about", "description": "Limits, flags and errors."},
            {"name": "health", "description": "Health and metrics for orchestrators and monitoring."},
        ],
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for kind in (ProblemDocument, InferRequest):
        schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[kind.__name__] = schema
    document["components"]["headers"] = _COMMON_HEADERS
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                common = {name: {"$ref": f"#/components/headers/{name}"} for name in _COMMON_HEADERS}
                response["headers"] = {**response.get("headers", {}), **common}
    return document


_COMMON_HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "The request's own id where it is valid, otherwise a new one.",
        "schema": {"type": "string", "maxLength": 128},
    },
    "Server-Timing": {
        "description": "Duration of each stage, ms.",
        "schema": {"type": "string"},
        "example": "upload;dur=1.20, decode;dur=9.80, infer;dur=14.10, total;dur=27.30",
    },
}
