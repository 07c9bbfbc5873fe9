"""OpenAPI texts of profiles."""

from __future__ import annotations

from typing import Any

from service.api.openapi.documentation import (
    FILE,
    MEDIA_PROBLEMS,
    PROBLEM_RESPONSES,
    PROFILE,
    PROFILE_PART,
    PROFILE_PROBLEMS,
    Responses,
    problem_responses,
)
from service.schemas.profile import ProfileDocument

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
    200: {"model": ProfileDocument, "description": "The document, to be kept by the caller."},
    **PROBLEM_RESPONSES,
    **problem_responses(*MEDIA_PROBLEMS, *PROFILE_PROBLEMS),
}
