"""``/v1/jobs``: long recordings, done while nobody waits on the line."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from service.access.caller import caller_of
from service.api.answer_query import AnswerQuery
from service.api.answers import (
    ANSWER_MEDIA_TYPES,
    SOUND_PARTS,
    AnswerForm,
    affect_answer,
    audio_answer,
    refuse_what_cannot_be_carried,
    sound_parts,
)
from service.api.job_answer import job_address, job_answer
from service.api.job_events import event_id, job_events
from service.api.job_upload import idempotency_key, receive_job
from service.api.openapi.documentation import CANARY_PARAMETER, FACE_BODY, NEUTRAL, PROFILE, VOICE_BODY
from service.api.openapi.jobs import (
    CALLBACKS,
    DELETE_RESPONSES,
    EVENT_RESPONSES,
    IDEMPOTENCY_PARAMETER,
    JOB_RESPONSES,
    LAST_EVENT_PARAMETER,
    LIST_RESPONSES,
    RESULT_RESPONSES,
    SUBMIT_RESPONSES,
)
from service.api.parameters import AudioQuery, checked_by, refuse_repeated_parameters, with_profile
from service.api.upload_answer import answer_media_type
from service.api.video_parameters import VideoQuery, list_pattern
from service.http.exchange import exchange_of
from service.http.multipart import Documents
from service.http.negotiation import EVENTS
from service.http.uploads import client_gone
from service.jobs.job import CURSOR_PATTERN, Job, JobOptions, read_cursor
from service.outgoing.address import CALLBACK_CHARACTERS
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.options import read_include
from service.pipeline.results import AudioEmotion
from service.pipeline.speech.speaker_answer import without_speakers
from service.pipeline.video.video_results import INCLUDES, VideoAffect, with_parts
from service.pipeline.video_setup import require_faces
from service.problems import NotFound
from service.rollout import named, with_canary
from service.schemas.jobs import JobAnswer, JobListAnswer
from service.services import services_of

router = APIRouter(tags=["jobs"])

PARTS = (*INCLUDES, *SOUND_PARTS)


class _SubmitQuery(BaseModel):
    """Query parameters of both calls that make jobs, beside those of the work."""

    callback: str | None = Field(
        None,
        max_length=CALLBACK_CHARACTERS,
        description="https address that gets a signed POST (Standard Webhooks) when the job has ended, where the "
        "operator has named its host; left out: nobody is told.",
        examples=["https://clinic.example/hooks/emoserve"],
    )


class SubmitAudioQuery(AudioQuery, _SubmitQuery):
    """Query parameters of ``POST /v1/jobs/audio-emotion``."""


class SubmitVideoQuery(VideoQuery, _SubmitQuery):
    """Query parameters of ``POST /v1/jobs/video-affect``."""


class JobResultQuery(AnswerQuery):
    """Query parameters of ``GET /v1/jobs/{id}/result``."""

    include: str | None = Field(
        None,
        max_length=128,
        description="Parts of the answer to read, separated by commas, of those that the job was asked for; "
        "left out: all of them.",
        json_schema_extra={"pattern": list_pattern(PARTS)},
    )


class JobListQuery(BaseModel):
    """Query parameters of ``GET /v1/jobs``."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, checked_by(read_cursor)] | None = Field(
        None,
        description="The `next_cursor` of an earlier answer; left out: the newest jobs.",
        json_schema_extra={"pattern": CURSOR_PATTERN},
    )
    limit: int = Field(20, ge=1, le=100, description="Most jobs of the answer.")


_SUBMIT_VOICE = {
    "requestBody": VOICE_BODY,
    "parameters": [IDEMPOTENCY_PARAMETER, CANARY_PARAMETER],
    "callbacks": CALLBACKS,
}
_SUBMIT_FACE = {"requestBody": FACE_BODY, "parameters": [IDEMPOTENCY_PARAMETER], "callbacks": CALLBACKS}


@router.post(
    "/v1/jobs/audio-emotion",
    operation_id="submit_audio_emotion",
    summary="Emotion in a long recording",
    status_code=202,
    responses=SUBMIT_RESPONSES,
    openapi_extra=_SUBMIT_VOICE,
    dependencies=[Depends(refuse_repeated_parameters)],
)
async def submit_audio_emotion(
    request: Request, response: Response, query: Annotated[SubmitAudioQuery, Query()]
) -> JobAnswer:
    """The work of `/v1/audio/emotion` as a job, for recordings of many hours; same body, same parameters."""
    options = query.options(services_of(request).settings.limits)
    complete = partial(_with_model, request, options)
    return await _submit(request, response, options, PROFILE, complete, query.callback)


@router.post(
    "/v1/jobs/video-affect",
    operation_id="submit_video_affect",
    summary="Arousal and valence in a long video",
    status_code=202,
    responses=SUBMIT_RESPONSES,
    openapi_extra=_SUBMIT_FACE,
    dependencies=[Depends(refuse_repeated_parameters)],
)
async def submit_video_affect(
    request: Request, response: Response, query: Annotated[SubmitVideoQuery, Query()]
) -> JobAnswer:
    """The work of `/v1/video/affect` as a job, for videos of hours; same body, same parameters."""
    options = query.options()
    require_faces(services_of(request).loaded.affect)
    return await _submit(request, response, options, NEUTRAL, query.with_neutral, query.callback)


@router.get(
    "/v1/jobs",
    operation_id="list_jobs",
    summary="Jobs of the caller",
    responses=LIST_RESPONSES,
    dependencies=[Depends(refuse_repeated_parameters)],
)
def list_jobs(request: Request, query: Annotated[JobListQuery, Query()]) -> JobListAnswer:
    """The jobs of the caller's credentials, newest first, where the operator allows it (`EMOSERVE_JOB_LIST`); 404 else.

    Whoever asks on with `next_cursor` meets every job once, while others come and go.
    """
    services = services_of(request)
    if not services.settings.job_list:
        raise NotFound("This service lists no jobs: its operator has not allowed it (EMOSERVE_JOB_LIST).")
    jobs = services.jobs
    found, cursor = jobs.page(caller_of(request.scope).owner, query.cursor, query.limit)
    return JobListAnswer(jobs=[job_answer(jobs, job) for job in found], next_cursor=cursor)


@router.get("/v1/jobs/{job_id}", operation_id="read_job", summary="State of a job", responses=JOB_RESPONSES)
def read_job(request: Request, job_id: str) -> JobAnswer:
    """State and progress of the job, and the reason where it failed."""
    return job_answer(services_of(request).jobs, _find(request, job_id))


@router.get(
    "/v1/jobs/{job_id}/events",
    operation_id="watch_job",
    summary="Events of a job",
    responses=EVENT_RESPONSES,
    openapi_extra={"parameters": [LAST_EVENT_PARAMETER]},
    response_class=Response,
)
async def watch_job(request: Request, job_id: str) -> Response:
    """Server-sent events: every change of state, the progress in between, and a comment after 15 s of silence."""
    services = services_of(request)
    job = await asyncio.to_thread(_find, request, job_id)
    last = request.headers.get("last-event-id")
    if job.state.is_final and last == event_id(job):
        return Response(status_code=204)
    stopping = services.health.readiness_problem
    return EventSourceResponse(job_events(services.jobs, job, last, lambda: stopping() is not None))


@router.get(
    "/v1/jobs/{job_id}/result",
    operation_id="read_job_result",
    summary="Result of a job",
    responses=RESULT_RESPONSES,
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def read_job_result(request: Request, job_id: str, query: Annotated[JobResultQuery, Query()]) -> Response:
    """The answer of the call without a job, byte for byte but for the request id; `Accept` chooses its form."""
    services = services_of(request)
    job = await asyncio.to_thread(_find, request, job_id)
    media_type = answer_media_type(request, [one for one in ANSWER_MEDIA_TYPES if one != EVENTS])
    form = query.form(media_type, analysis=job.id)
    parts = _parts(job.options, query.include)
    refuse_what_cannot_be_carried(parts, media_type, getattr(job.options, "face", ""))

    def render(_work: Work) -> bytes:
        result = services.jobs.result(job)
        exchange = exchange_of(request.scope)
        with exchange.stage("render"):
            return _render(result, job.options, parts, form, exchange.request_id)

    body = await services.work.run(
        render, deadline_s=services.settings.limits.deadline_s, client_gone=client_gone(request)
    )
    once = services.settings.delete_result_on_read
    after = BackgroundTask(asyncio.to_thread, services.jobs.delete, job) if once else None
    return Response(body, media_type=media_type, background=after)


@router.delete(
    "/v1/jobs/{job_id}",
    operation_id="delete_job",
    summary="Cancel a job or delete its result",
    status_code=204,
    responses=DELETE_RESPONSES,
    response_class=Response,
)
def delete_job(request: Request, job_id: str) -> Response:
    """Cancels what waits or runs, deletes the result of what has finished. Recording and result are gone at once."""
    services_of(request).jobs.delete(_find(request, job_id))
    return Response(status_code=204)


async def _submit(
    request: Request,
    response: Response,
    options: JobOptions,
    part: str,
    complete: Callable[[Documents], JobOptions],
    callback: str | None,
) -> JobAnswer:
    job = await receive_job(request, options, part, complete, callback)
    if not job.is_new:
        response.status_code = 200
    response.headers["Location"] = request.scope.get("root_path", "").rstrip("/") + job_address(job)
    return job_answer(services_of(request).jobs, job)


def _with_model(request: Request, options: AudioOptions, documents: Documents) -> AudioOptions:
    """The options with the profile of the body and the model that does all of the job: the canary, or today's default.

    The canary is drawn by the idempotency key, so that a repeated request means the same model.
    """
    services = services_of(request)
    registry, draw = services.loaded.registry, idempotency_key(request) or exchange_of(request.scope).request_id
    known = with_profile(options, documents)
    return named(with_canary(known, services.settings, registry, request.headers, draw), registry)


def _find(request: Request, job_id: str) -> Job:
    return services_of(request).jobs.find(job_id, caller_of(request.scope).owner)


def _parts(options: JobOptions, include: str | None) -> frozenset[str]:
    """Parts of the answer to read: those that the job was asked for, or the named ones of them.

    Raises:
        NotFound: the job was not asked for one that is named.
        Unprocessable: what is named is no part.
    """
    asked = sound_parts(options) if isinstance(options, AudioOptions) else options.include
    if include is None:
        return asked
    named = read_include(include.split(","), PARTS)
    if absent := sorted(named - asked):
        raise NotFound(f"This job was not asked for {', '.join(absent)}.")
    return named


def _render(
    result: AudioEmotion | VideoAffect,
    options: JobOptions,
    parts: frozenset[str],
    form: AnswerForm,
    request_id: str,
) -> bytes:
    if isinstance(result, AudioEmotion):
        assert isinstance(options, AudioOptions)
        shown = replace(options, segments="segments" in parts, voice_activity="voice_activity" in parts)
        told = result if "speakers" in parts else without_speakers(result)
        return audio_answer(told, form, request_id, shown)
    return affect_answer(with_parts(result, parts), form, request_id, parts)
