"""``/v1/audio``: parse, call the pipeline, render."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api.answer_query import AnswerQuery
from service.api.answers import ANSWER_MEDIA_TYPES, AnswerForm, audio_answer, refuse_what_cannot_be_carried, sound_parts
from service.api.event_stream import Emit, answer_or_events
from service.api.openapi.documentation import AUDIO_RESPONSES, CANARY_PARAMETER, PROFILE, VOICE_BODY
from service.api.parameters import AudioQuery, refuse_repeated_parameters, with_profile
from service.api.upload_answer import answer_media_type, note_analysis
from service.http.exchange import exchange_of
from service.http.negotiation import JSON
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.results import JudgedWindow, OnWindow
from service.render.stream_json import window_members
from service.rollout import with_canary
from service.services import services_of

router = APIRouter(tags=["audio"])


class AudioCallQuery(AudioQuery, AnswerQuery):
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
    `Accept` chooses between JSON, CSV (one row a window), a plot (PNG, SVG, PDF), FHIR, and events: progress,
    each window as it is judged, and the JSON answer at the end. What a form has no room for is refused with 406:
    segments in FHIR, voice activity in CSV and FHIR.
    """
    options = query.options(services_of(request).settings.limits)
    media_type = answer_media_type(request, ANSWER_MEDIA_TYPES)
    form = query.form(media_type)
    refuse_what_cannot_be_carried(sound_parts(options), media_type)
    documents = {PROFILE: bytearray()}

    def answer(data: memoryview, work: Work, emit: Emit | None) -> bytes:
        return _analyse(request, data, with_profile(options, documents), form, work, emit)

    return await answer_or_events(request, answer, media_type, documents=documents)


def _analyse(
    request: Request,
    data: memoryview,
    options: AudioOptions,
    form: AnswerForm,
    work: Work,
    emit: Emit | None,
) -> bytes:
    """The blocking half: pipeline and rendering, in a worker thread; raises Malformed, ModelNotFound of a canary."""
    services, exchange = services_of(request), exchange_of(request.scope)
    loaded = services.loaded
    needed = replace(options, rows=options.timeline or form.media_type != JSON)
    chosen = with_canary(needed, services.settings, loaded.registry, request.headers, exchange.request_id)
    result = loaded.pipeline.analyse(data, chosen, work, on_window=None if emit is None else _teller(emit))
    services.metrics.answered(result)
    note_analysis(request, result.media, result.stages_s, [result.model])
    services.shadow.follow(loaded, data, options, chosen, result, exchange.request_id)
    with exchange.stage("render"):
        return audio_answer(result, form, exchange.request_id, options)


def _teller(emit: Emit) -> OnWindow:
    def tell(window: JudgedWindow, labels: Sequence[str]) -> None:
        emit("window", {"channel": window.channel, **window_members(window, labels)})

    return tell
