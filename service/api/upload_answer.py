"""Steps of every call that takes an upload: capacity, body, work in a thread, answer."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from fastapi import Request, Response

from service.access.caller import sender_of
from service.api.answers import AnswerForm, affect_answer
from service.http.exchange import Exchange, exchange_of
from service.http.multipart import Documents, NextFile
from service.http.negotiation import FHIR, choose_fhir_version, choose_media_type
from service.http.uploads import RAW_MEDIA, client_gone, read_upload
from service.outgoing.address import input_permission
from service.pipeline.device.task import Work
from service.pipeline.results import MediaInfo, ModelReference
from service.pipeline.video.video_results import VideoAffect
from service.problems import RateLimited, Unavailable
from service.services import services_of

Result = TypeVar("Result")
Answer = Callable[[memoryview, Work], Result]
"""The blocking half of a call: upload in, such as the body of the answer out."""


def answer_media_type(request: Request, offered: Sequence[str]) -> str:
    """Choose the one of ``offered`` that ``Accept`` asks for; FHIR comes with its parameter ``fhirVersion``.

    Raises:
        NotAcceptable: none of them.
    """
    accept = ",".join(request.headers.getlist("accept"))
    media_type = choose_media_type(accept, offered)
    return f"{FHIR}; fhirVersion={choose_fhir_version(accept)}" if media_type == FHIR else media_type


async def answer_upload(
    request: Request,
    answer: Answer[bytes],
    media_type: str,
    raw_types: Sequence[str] = RAW_MEDIA,
    *,
    documents: Documents | None = None,
    next_file: NextFile | None = None,
    is_long: bool = False,
) -> Response:
    """Read the upload, run ``answer`` in a worker thread, and respond with its bytes.

    Args:
        request: with multipart or raw body.
        answer: the work.
        media_type: of the response.
        raw_types: media types that the body may have where it is not multipart.
        documents, next_file: as of :class:`~service.http.multipart.MultipartFile`.
        is_long: whether the work may take minutes; see :meth:`service.http.work_pool.WorkPool.run`.

    Raises:
        Problem: the upload is refused or cannot be judged.
        ClientGoneError: the client closed the connection meanwhile.
    """
    content = await do_upload(request, answer, raw_types, documents=documents, next_file=next_file, is_long=is_long)
    return Response(content, media_type=media_type)


async def do_upload(
    request: Request,
    answer: Answer[Result],
    raw_types: Sequence[str] = RAW_MEDIA,
    *,
    documents: Documents | None = None,
    next_file: NextFile | None = None,
    is_long: bool = False,
) -> Result:
    """Read the upload and run ``answer`` in a worker thread; arguments and errors as :func:`answer_upload`."""
    services = services_of(request)
    limits = services.settings.limits
    try:
        services.check_capacity()
        with services.uploads.hold(sender_of(request.scope)) as held:
            data = await read_upload(
                request, limits, held, input_permission(services.settings), raw_types, documents, next_file
            )
            return await services.work.run(
                lambda work: answer(data, work),
                deadline_s=limits.deadline_s,
                client_gone=client_gone(request),
                is_long=is_long,
            )
    except (Unavailable, RateLimited) as problem:
        services.metrics.shed_total.labels(problem.code).inc()
        raise


def note_analysis(
    request: Request, media: MediaInfo, stages_s: dict[str, float], models: Iterable[ModelReference] = ()
) -> Exchange:
    """Put what the pipeline took into ``Server-Timing``, log, audit and metrics; returns the request's exchange."""
    exchange = exchange_of(request.scope)
    exchange.models = tuple(model.identity for model in models)
    exchange.stages_s.include(stages_s)
    exchange.media_s = media.duration_s
    services_of(request).metrics.audio_seconds_total.labels("ok").inc(media.duration_s)
    return exchange


def respond_with_affect(request: Request, result: VideoAffect, include: frozenset[str], form: AnswerForm) -> bytes:
    """Note what the work took, and render ``result``."""
    exchange = note_analysis(request, result.media, result.stages_s, result.models.values())
    with exchange.stage("render"):
        return affect_answer(result, form, exchange.request_id, include)
