"""``/v1/limits``, ``/v1/problems`` and ``/v1/flags``: what a client may send, and the words of answers and errors."""

import inspect

from fastapi import APIRouter, Request

from service.api.answers import ANSWER_MEDIA_TYPES
from service.api.openapi.documentation import PROBLEM_RESPONSES, problem_responses
from service.flags import FACTS
from service.http.problem_response import problem_type
from service.http.uploads import MULTIPART, RAW_KINDS, RAW_TABLES, RAW_TYPES
from service.jobs.plans import job_limits
from service.pipeline.media.containers import AUDIO_CODECS, TITLES, VIDEO_CODECS
from service.problems import NotFound, Problem, all_problems
from service.schemas.about import (
    FlagEntry,
    FlagsAnswer,
    JobLimits,
    LimitsAnswer,
    MediaFormat,
    ProblemEntry,
    ProblemsAnswer,
)
from service.services import services_of
from service.settings import Limits, Settings

router = APIRouter(tags=["about"])


@router.get("/v1/limits", operation_id="read_limits", summary="All limits", responses=PROBLEM_RESPONSES)
async def read_limits(request: Request) -> LimitsAnswer:
    """Every limit with its unit. More than a size is answered with 413, less than a minimum with 422."""
    settings = services_of(request).settings
    return LimitsAnswer(
        limits=settings.limits,
        jobs=_of_jobs(settings),
        input_url=bool(settings.input_url_hosts),
        descriptions={name: field.description or "" for name, field in Limits.model_fields.items()},
        request_media_types=[MULTIPART, *(f"{kind}*" for kind in RAW_KINDS), *RAW_TYPES, RAW_TABLES[0]],
        response_media_types=list(ANSWER_MEDIA_TYPES),
        formats=[
            MediaFormat(
                container=name,
                title=title,
                sound=sorted(AUDIO_CODECS[name]),
                pictures=sorted(VIDEO_CODECS.get(name, ())),
            )
            for name, title in TITLES.items()
        ],
    )


@router.get("/v1/problems", operation_id="list_problems", summary="All errors", responses=PROBLEM_RESPONSES)
async def list_problems() -> ProblemsAnswer:
    """Every error that this service can answer with. A code never changes its meaning."""
    return ProblemsAnswer(problems=[_entry(kind) for kind in all_problems()])


@router.get(
    "/v1/problems/{code}",
    operation_id="read_problem",
    summary="One error",
    responses=PROBLEM_RESPONSES | problem_responses(NotFound),
)
async def read_problem(code: str) -> ProblemEntry:
    """The meaning of one error code. The `type` of every error leads here."""
    for kind in all_problems():
        if kind.code == code:
            return _entry(kind)
    raise NotFound("There is no such problem.")


@router.get("/v1/flags", operation_id="list_flags", summary="All flags", responses=PROBLEM_RESPONSES)
async def list_flags() -> FlagsAnswer:
    """Every flag that an answer can hold, with its meaning."""
    return FlagsAnswer(
        flags=[
            FlagEntry(flag=flag, about=facts.about, title=facts.title, description=facts.description, since=facts.since)
            for flag, facts in FACTS.items()
        ]
    )


def _entry(kind: type[Problem]) -> ProblemEntry:
    return ProblemEntry(
        type=problem_type(kind.code),
        code=kind.code,
        status=kind.status,
        title=kind.title,
        description=inspect.cleandoc(kind.__doc__ or kind.title),
    )


def _of_jobs(settings: Settings) -> JobLimits:
    limits = job_limits(settings)
    return JobLimits(
        enabled=settings.jobs,
        max_jobs=settings.max_jobs,
        max_body_bytes=limits.max_body_bytes,
        max_duration_s=limits.max_duration_s,
        max_frames=limits.max_frames,
        max_windows=limits.max_windows,
        upload_timeout_s=settings.job_upload_timeout_s,
        job_ttl_s=settings.job_ttl_s,
        result_ttl_s=settings.result_ttl_s,
        delete_result_on_read=settings.delete_result_on_read,
    )
