"""OpenAPI texts of the calls about faces."""

from service.api.openapi.documentation import (
    EVENT_STREAM,
    EXAMPLE_REQUEST_ID,
    FHIR_BUNDLE,
    MEDIA_PROBLEMS,
    PLOTS,
    PROBLEM_RESPONSES,
    PROFILE_PROBLEMS,
    UPLOAD_PROBLEMS,
    Responses,
    problem_responses,
    upload_body,
)
from service.flags import Flag
from service.http.negotiation import CSV, EVENTS, FHIR
from service.http.uploads import RAW_TABLES
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.problems import (
    ColumnsMissing,
    FeaturesInvalid,
    MediaEmpty,
    MediaTooLong,
    MediaTooShort,
    TimestampsInvalid,
    TooManyFrames,
)
from service.schemas.video import VideoAffectAnswer


def _model(name: str) -> dict[str, str]:
    return {"name": name, "version": "1", "sha256": "9f2b…", "licence": "CC0-1.0", "provider": "CPUExecutionProvider"}


_EXAMPLE = {
    "request_id": EXAMPLE_REQUEST_ID,
    "media": {
        "duration_s": 0.2,
        "container": "mp4",
        "codec": "h264",
        "frame_rate_hz": 25.0,
        "width": 640,
        "height": 360,
    },
    "models": {"faces": _model("faces"), "action_units": _model("action-units"), "affect": _model("affect-prior")},
    "timeline": {
        "time_s": [0.0, 0.1],
        "arousal": [0.1, None],
        "valence": [0.4, None],
        "arousal_uncertainty": [0.02, None],
        "valence_uncertainty": [0.03, None],
        "face_confidence": [0.98, 0.0],
        "speech": [0.0, 1.0],
    },
    "summary": {
        "arousal": {"mean": 0.1, "std": 0.0, "min": 0.1, "max": 0.1},
        "valence": {"mean": 0.4, "std": 0.0, "min": 0.4, "max": 0.4},
    },
    "neutral": {"source": "median", "start_s": 0.0, "end_s": 0.04, "frames": 2},
    "action_units": {"AU12": [1.5, None]},
    "attribution": {
        "features": ["AU12_mean"],
        "lags_s": [-0.1, 0.0, 0.1],
        "arousal": [[0.06, 0.18, 0.06]],
        "valence": [[0.1, 0.2, 0.1]],
        "arousal_by_feature": [0.3],
        "valence_by_feature": [0.4],
        "arousal_baseline": -0.2,
        "valence_baseline": 0.0,
        "moments": {
            "target": ["valence"],
            "start_s": [0.0],
            "end_s": [0.1],
            "feature": ["AU12_mean"],
            "contribution": [0.4],
            "words": ["lip corners pulled up"],
        },
    },
    "trained": "prior",
    "look_ahead_s": 1.0,
    "flags": [Flag.FACE_LOST],
    "flag_spans": [{"flag": "face_lost", "start_s": 0.05, "end_s": 0.1, "channel": None, "face": 0}],
}

_ANSWER: Responses = {
    200: {
        "model": VideoAffectAnswer,
        "description": "Arousal and valence ten times a second.",
        "content": {
            "application/json": {"example": _EXAMPLE},
            CSV: {"schema": {"type": "string", "description": "One row a step."}},
            **PLOTS,
            FHIR: {"schema": FHIR_BUNDLE},
            EVENTS: {"schema": EVENT_STREAM},
        },
    }
}

VIDEO_RESPONSES: Responses = {
    **_ANSWER,
    **PROBLEM_RESPONSES,
    **problem_responses(*MEDIA_PROBLEMS, TooManyFrames, *PROFILE_PROBLEMS),
}

TABLE_RESPONSES: Responses = {
    **_ANSWER,
    **PROBLEM_RESPONSES,
    **problem_responses(
        *UPLOAD_PROBLEMS,
        MediaTooLong,
        TooManyFrames,
        MediaEmpty,
        MediaTooShort,
        FeaturesInvalid,
        ColumnsMissing,
        TimestampsInvalid,
    ),
}

TABLE_BODY = upload_body("One table of action units", "The table, UTF-8.", RAW_TABLES)
TABLE_BODY["content"]["text/csv"]["example"] = (
    f"timestamp,confidence,{','.join(f'{unit}_r' for unit in ACTION_UNITS)}\n"
    f"0.00,0.98{',0.5' * len(ACTION_UNITS)}\n0.04,0.98{',0.6' * len(ACTION_UNITS)}\n"
)
