"""OpenAPI texts of the Open Inference Protocol's ``infer``."""

from typing import Any

from service.api.openapi.documentation import BINARY, PROBLEM_RESPONSES, Responses, problem_responses
from service.http.negotiation import JSON
from service.http.tensors import INFERENCE_HEADER
from service.http.uploads import RAW_TYPES
from service.problems import (
    AnswerTooLarge,
    BodyMissing,
    BodyTimeout,
    CapacityExceeded,
    ContentEncodingUnsupported,
    DeadlineExceeded,
    Draining,
    InferenceUnavailable,
    Malformed,
    ModelNotFound,
    RateLimited,
    TensorInvalid,
    TooLarge,
    Unavailable,
    UnsupportedContentType,
)
from service.schemas.inference import InferAnswer, InferRequest

INFER_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": {"$ref": f"#/components/schemas/{InferRequest.__name__}"}},
        RAW_TYPES[0]: {"schema": BINARY},
    },
}

INFER_PARAMETER: dict[str, Any] = {
    "name": INFERENCE_HEADER,
    "in": "header",
    "required": False,
    "description": "Bytes of JSON at the beginning of the body, where binary tensors follow.",
    "schema": {"type": "integer", "minimum": 1},
}

INFER_RESPONSES: Responses = {
    200: {
        "model": InferAnswer,
        "description": "The outputs; with `Inference-Header-Content-Length` binary ones follow the JSON.",
        "content": {RAW_TYPES[0]: {"schema": BINARY}},
        "headers": {INFERENCE_HEADER: {"description": INFER_PARAMETER["description"], "schema": {"type": "integer"}}},
    },
    **PROBLEM_RESPONSES,
    **problem_responses(
        *(Malformed, BodyMissing, ModelNotFound, BodyTimeout, TooLarge, AnswerTooLarge),
        *(UnsupportedContentType, ContentEncodingUnsupported, TensorInvalid, RateLimited),
        *(Unavailable, CapacityExceeded, Draining, InferenceUnavailable, DeadlineExceeded),
    ),
}
