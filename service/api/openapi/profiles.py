"""OpenAPI texts of profiles."""

from __future__ import annotations

from typing import Any

from service.api.openapi.documentation import (
    FILE,
    MAKER_PROBLEMS,
    MEDIA_PROBLEMS,
    PROBLEM_RESPONSES,
    PROFILE,
    PROFILE_PART,
    Responses,
    problem_responses,
)
from service.problems import TooManyFrames
from service.schemas.profile import FaceDocument, VoiceDocument

PROFILE_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "array", "items": FILE, "minItems": 1, "description": "recordings"},
                    PROFILE: PROFILE_PART,
                },
            }
        }
    },
}

PROFILE_RESPONSES: Responses = {
    200: {"model": VoiceDocument | FaceDocument, "description": "The document, to be kept by the caller."},
    **PROBLEM_RESPONSES,
    **problem_responses(*MEDIA_PROBLEMS, TooManyFrames, *MAKER_PROBLEMS),
}
