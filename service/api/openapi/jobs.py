"""OpenAPI texts of the calls about jobs."""

from typing import Any

from service.api.openapi.documentation import (
    AUDIO_RESPONSES,
    FHIR_BUNDLE,
    PLOTS,
    PROBLEM_RESPONSES,
    UPLOAD_PROBLEMS,
    VOICE_PROBLEMS,
    Responses,
    problem_responses,
)
from service.api.openapi.video import VIDEO_RESPONSES
from service.http.negotiation import CSV, FHIR, JSON
from service.problems import (
    CallbackRefused,
    IdempotencyConflict,
    JobDataLost,
    JobNotFound,
    JobNotReady,
    JobNotSucceeded,
    JobsUnavailable,
    NoSpace,
    NotAcceptable,
    NotFound,
    ResultExpired,
    Unavailable,
)
from service.schemas.jobs import JobAnswer

_LOCATION = {"Location": {"description": "The job's address.", "schema": {"type": "string"}}}

_LINKS = {
    name: {"operationId": name, "parameters": {"job_id": "$response.body#/id"}}
    for name in ("read_job", "watch_job", "read_job_result", "delete_job")
}

SUBMIT_RESPONSES: Responses = {
    202: {
        "model": JobAnswer,
        "description": "The recording is stored encrypted, and the job waits.",
        "headers": _LOCATION,
        "links": _LINKS,
    },
    200: {
        "model": JobAnswer,
        "description": "The job that an earlier request with the same idempotency key made.",
        "headers": _LOCATION,
        "links": _LINKS,
    },
    **PROBLEM_RESPONSES,
    **problem_responses(
        *UPLOAD_PROBLEMS, *VOICE_PROBLEMS, CallbackRefused, IdempotencyConflict, JobsUnavailable, NoSpace
    ),
}

_TEXT = {"type": "string"}

CALLBACKS: dict[str, Any] = {
    "ended": {
        "{$request.query.callback}": {
            "post": {
                "description": "The job has ended. `webhook-id` is the same in every attempt. Verify "
                "`webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`.",
                "parameters": [
                    {"name": name, "in": "header", "required": True, "schema": _TEXT}
                    for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        JSON: {
                            "schema": {
                                "type": "object",
                                "required": ["type", "timestamp", "data"],
                                "properties": {
                                    "type": {**_TEXT, "examples": ["job.succeeded"]},
                                    "timestamp": {**_TEXT, "format": "date-time"},
                                    "data": {
                                        "type": "object",
                                        "required": ["id", "kind", "state", "links"],
                                        "properties": {
                                            **dict.fromkeys(("id", "kind", "state"), _TEXT),
                                            "links": {"type": "object", "additionalProperties": _TEXT},
                                        },
                                    },
                                },
                            }
                        }
                    },
                },
                "responses": {"2XX": {"description": "Taken."}, "410": {"description": "No more attempts."}},
            }
        }
    }
}
"""The request that ``callback`` gets."""

IDEMPOTENCY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Text of the client's choice. A repeated request with the same text makes no second job.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

JOB_RESPONSES: Responses = PROBLEM_RESPONSES | problem_responses(JobNotFound, Unavailable, JobsUnavailable)

LIST_RESPONSES: Responses = PROBLEM_RESPONSES | problem_responses(NotFound, Unavailable, JobsUnavailable)

RESULT_RESPONSES: Responses = {
    200: {
        "description": "The answer of the call without a job.",
        "content": {
            JSON: {
                "schema": {
                    "oneOf": [
                        {"$ref": f"#/components/schemas/{responses[200]['model'].__name__}"}
                        for responses in (AUDIO_RESPONSES, VIDEO_RESPONSES)
                    ]
                }
            },
            CSV: {"schema": {"type": "string", "description": "One row a window or step."}},
            **PLOTS,
            FHIR: {"schema": FHIR_BUNDLE},
        },
    },
    **JOB_RESPONSES,
    **problem_responses(
        JobNotFound,
        NotAcceptable,
        JobNotReady,
        JobNotSucceeded,
        ResultExpired,
        JobDataLost,
        Unavailable,
        JobsUnavailable,
    ),
}

JOB_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"enum": ["state", "progress"]},
        "id": {"type": "string"},
        "data": {"type": "string", "description": "JSON"},
    },
}
"""One event; OpenAPI 3.2's way to describe them, which readers of 3.1 pass over."""

EVENT_RESPONSES: Responses = {
    200: {
        "description": 'Events `state` (data: the job) and `progress` (data: `{"progress": 0.5}`), until the job ends.',
        "content": {"text/event-stream": {"itemSchema": JOB_EVENT}},
    },
    204: {"description": "The job ended with the event that `Last-Event-ID` names; there are no further events."},
    **JOB_RESPONSES,
}

LAST_EVENT_PARAMETER: dict[str, Any] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "Id of the last event that was received; browsers send it on their own when they reconnect. An "
    "unknown id is ignored.",
    "schema": {"type": "string"},
}

DELETE_RESPONSES: Responses = {
    204: {"description": "The job is cancelled, or its result deleted; the recording is gone."},
    **JOB_RESPONSES,
}
