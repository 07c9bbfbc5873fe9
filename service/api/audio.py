"""``/v1/audio``: parse, call the pipeline, render."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api.answers import AUDIO_MEDIA_TYPES, audio_answer
from service.api.documentation import AUDIO_RESPONSES, UPLOAD_BODY
from service.api.exchange import Exchange, exchange_of
from service.api.negotiation import choose_media_type
from service.api.parameters import AudioQuery, refuse_repeated_parameters
from service.api.uploads import client_gone, read_upload
from service.pipeline.results import AudioOptions
from service.problems import Unavailable
from service.services import Services, services_of

router = APIRouter(tags=["audio"])


@router.post(
    "/v1/audio/emotion",
    operation_id="analyse_audio_emotion",
    summary="Emotion in a recording",
    responses=AUDIO_RESPONSES,
    openapi_extra={"requestBody": UPLOAD_BODY},
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def analyse_audio_emotion(request: Request, query: Annotated[AudioQuery, Query()]) -> Response:
    """Probabilities of the emotion classes for any audio file or the sound track of a video.

    Send the file as the raw request body with its media type (the fast way) or as the multipart part `file`.
    `Accept` chooses between JSON, CSV (one row a window) and a PNG plot.
    """
    services, exchange = services_of(request), exchange_of(request.scope)
    limits = services.settings.limits
    options = query.options(limits)
    media_type = choose_media_type(",".join(request.headers.getlist("accept")), AUDIO_MEDIA_TYPES)
    try:
        services.check_capacity()
        with services.uploads.hold() as held:
            data = await read_upload(request, limits, held)
            body = await services.work.run(
                lambda abandoned: _analyse(services, exchange, data, options, media_type, abandoned),
                deadline_s=limits.deadline_s,
                client_gone=client_gone(request),
            )
    except Unavailable as problem:
        services.metrics.shed_total.labels(problem.code).inc()
        raise
    return Response(body, media_type=media_type)


def _analyse(
    services: Services,
    exchange: Exchange,
    data: memoryview,
    options: AudioOptions,
    media_type: str,
    abandoned: threading.Event,
) -> bytes:
    """The blocking half: pipeline and rendering, in a worker thread."""
    result = services.loaded.pipeline.analyse(data, options, cancel=abandoned)
    exchange.stages_s.update(result.stages_s)
    exchange.media_s = result.media.duration_s
    services.metrics.audio_seconds_total.labels("ok").inc(result.media.duration_s)
    with exchange.stage("render"):
        return audio_answer(result, media_type, exchange.request_id, timeline=options.timeline)
