"""``/v1/limits``: what one request may hold, and what one job."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.api.answers import AUDIO_MEDIA_TYPES
from service.api.openapi.documentation import PROBLEM_RESPONSES
from service.http.uploads import MULTIPART, RAW_KINDS, RAW_TABLES, RAW_TYPES
from service.jobs.plans import job_limits
from service.schemas.about import JobLimits, LimitsAnswer
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
        descriptions={name: field.description or "" for name, field in Limits.model_fields.items()},
        request_media_types=[MULTIPART, *(f"{kind}*" for kind in RAW_KINDS), *RAW_TYPES, RAW_TABLES[0]],
        response_media_types=list(AUDIO_MEDIA_TYPES),
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
