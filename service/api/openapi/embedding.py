"""OpenAPI texts of the call for embeddings."""

from service.api.openapi.documentation import (
    EXAMPLE_REQUEST_ID,
    MEDIA_PROBLEMS,
    PROBLEM_RESPONSES,
    Responses,
    problem_responses,
)
from service.flags import Flag
from service.http.negotiation import CSV
from service.problems import AnswerTooLarge, DenoiserUnavailable
from service.schemas.embedding import AudioEmbeddingAnswer

_EXAMPLE = {
    "request_id": EXAMPLE_REQUEST_ID,
    "media": {"duration_s": 3.0, "sample_rate_hz": 16000, "channels": 1, "container": "wav", "codec": "pcm_s16le"},
    "model": {"name": "example", "version": "1", "sha256": "9f2b…", "licence": "CC0-1.0"},
    "dimensions": 3,
    "timeline": {"start_s": [0.0, 1.0], "end_s": [2.0, 3.0]},
    "embedding": [[0.125, -0.5, 1.75], None],
    "flags": [Flag.SILENT_WINDOWS],
}

EMBEDDING_RESPONSES: Responses = {
    200: {
        "model": AudioEmbeddingAnswer,
        "description": "One row of features a window.",
        "content": {
            "application/json": {"example": _EXAMPLE},
            CSV: {
                "schema": {
                    "type": "string",
                    "description": "One row a window: `start_s,end_s,e0,e1…`; with channel=each `channel` comes "
                    "first. The cells of a silent window are empty.",
                }
            },
        },
    },
    **PROBLEM_RESPONSES,
    **problem_responses(*MEDIA_PROBLEMS, AnswerTooLarge, DenoiserUnavailable),
}
