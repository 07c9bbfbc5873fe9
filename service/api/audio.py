"""``/v1/audio``: parse, call the pipeline, render."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api.answers import AUDIO_MEDIA_TYPES, audio_answer, refuse_what_cannot_be_carried, sound_parts
from service.api.event_stream import Emit, UploadEvents
from service.api.fhir import FhirQuery
from service.api.openapi.documentation import AUDIO_RESPONSES, CANARY_PARAMETER, PROFILE, VOICE_BODY
from service.api.parameters import AudioQuery, refuse_repeated_parameters, with_profile
from service.api.upload_answer import answer_media_type, answer_upload, note_analysis
from service.http.exchange import Exchange, exchange_of
from service.http.negotiation import EVENTS, JSON
from service.loaded import Loaded
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmotion, JudgedWindow
from service.render.fhir.request import FhirRequest
from service.render.stream_json import window_members
from service.rollout import with_canary
from service.services import services_of

router = APIRouter(tags=["audio"])


class AudioCallQuery(AudioQuery, FhirQuery):
    """Query parameters of the call."""


@router.post(
    "/v1/audio/emotion",
    operation_id="analyse_audio_emotion",
    summary="Emotion in a recording",
    responses=AUDIO_RESPONSES,
    openapi_extra={"requestBody": VOICE_BODY, "parameters": [CANARY_PARAMETER]},
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def analyse_audio_emotion(request: Request, query: Annotated[AudioCallQuery, Query()]) -> Response:
    """Probabilities of the emotion classes for any audio file or the sound track of a video.

    Send the file as the raw request body with its media type (the fast way) or as the multipart part `file`.
    `Accept` chooses between JSON, CSV (one row a window), a PNG plot, FHIR, and events: progress, each window as
    it is judged, and the JSON answer at the end. What a form has no room for is refused with 406: segments in FHIR,
    voice activity in CSV and FHIR.
    """
    options = query.options(services_of(request).settings.limits)
    media_type = answer_media_type(request, AUDIO_MEDIA_TYPES)
    fhir = query.fhir(media_type)
    refuse_what_cannot_be_carried(sound_parts(options), media_type)
    documents = {PROFILE: bytearray()}

    def known() -> AudioOptions:
        return with_profile(options, documents)

    if media_type == EVENTS:
        return UploadEvents(
            request,
            lambda data, work, emit: _analyse_aloud(request, data, known(), work, emit),
            documents=documents,
        )
    return await answer_upload(
        request,
        lambda data, work: _analyse(request, data, known(), media_type, work, fhir),
        media_type,
        documents=documents,
    )


def _analyse(
    request: Request, data: memoryview, options: AudioOptions, media_type: str, work: Work, fhir: FhirRequest
) -> bytes:
    """The blocking half: pipeline and rendering, in a worker thread."""
    needed = replace(options, rows=options.timeline or media_type != JSON)
    loaded = services_of(request).loaded
    chosen = _chosen(request, needed, loaded)
    result = loaded.pipeline.analyse(data, chosen, work)
    exchange = _answered(request, loaded, data, options, chosen, result)
    with exchange.stage("render"):
        return audio_answer(result, media_type, exchange.request_id, options, fhir)


def _analyse_aloud(request: Request, data: memoryview, options: AudioOptions, work: Work, emit: Emit) -> bytes:
    """Pipeline and rendering in a worker thread, with progress and windows told on the way; always JSON."""
    loaded = services_of(request).loaded
    chosen = _chosen(request, options, loaded)

    def tell(window: JudgedWindow, labels: Sequence[str]) -> None:
        emit("window", {"channel": window.channel, **window_members(window, labels)})

    result = loaded.pipeline.analyse(data, chosen, work, on_window=tell)
    exchange = _answered(request, loaded, data, options, chosen, result)
    return audio_answer(result, JSON, exchange.request_id, options)


def _chosen(request: Request, options: AudioOptions, loaded: Loaded) -> AudioOptions:
    """The options, with the canary's name where it is to answer. Raises Malformed, ModelNotFound."""
    settings, draw = services_of(request).settings, exchange_of(request.scope).request_id
    return with_canary(options, settings, loaded.registry, request.headers, draw)


def _answered(
    request: Request, loaded: Loaded, data: memoryview, asked: AudioOptions, done: AudioOptions, result: AudioEmotion
) -> Exchange:
    """Count the answer, note what it took, and let the shadow follow."""
    services = services_of(request)
    services.metrics.answered(result)
    exchange = note_analysis(request, result.media, result.stages_s, [result.model])
    services.shadow.follow(loaded, data, asked, done, result, exchange.request_id)
    return exchange
