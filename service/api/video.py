"""``/v1/video``: parse, call the pipeline, render."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api.answer_query import AnswerQuery
from service.api.answers import ANSWER_MEDIA_TYPES, refuse_what_cannot_be_carried
from service.api.event_stream import Emit, answer_or_events
from service.api.openapi.documentation import FACE_BODY, NEUTRAL
from service.api.openapi.video import VIDEO_RESPONSES
from service.api.parameters import refuse_repeated_parameters
from service.api.upload_answer import answer_media_type, respond_with_affect
from service.api.video_parameters import VideoQuery
from service.pipeline.affect.live import AffectRows, OnRows
from service.pipeline.device.task import Work
from service.pipeline.video_setup import require_faces
from service.render.video_json import affect_members
from service.services import services_of

router = APIRouter(tags=["video"])


class VideoCallQuery(VideoQuery, AnswerQuery):
    """Query parameters of the call."""


@router.post(
    "/v1/video/affect",
    operation_id="analyse_video_affect",
    summary="Arousal and valence of a face over time",
    responses=VIDEO_RESPONSES,
    openapi_extra={"requestBody": FACE_BODY},
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def analyse_video_affect(request: Request, query: Annotated[VideoCallQuery, Query()]) -> Response:
    """Arousal and valence ten times a second from the face in a video; on request the action units that they
    are made of, what moved them, and the emotion of the sound track.

    Send the file as the raw request body with its media type or as the multipart part `file`. `Accept` chooses
    between JSON, CSV (one row a step), a plot (PNG, SVG, PDF), FHIR and events. What a form has no room for is refused
    with 406: attribution and frames in CSV and FHIR, boxes in FHIR and in a plot.
    """
    options = query.options()
    media_type = answer_media_type(request, ANSWER_MEDIA_TYPES)
    form = query.form(media_type)
    refuse_what_cannot_be_carried(options.include, media_type, options.face)
    affect = require_faces(services_of(request).loaded.affect)
    documents = {NEUTRAL: bytearray()}

    def answer(data: memoryview, work: Work, emit: Emit | None) -> bytes:
        on_rows = None if emit is None else _teller(emit)
        result = affect.analyse(data, query.with_neutral(documents), work, on_rows=on_rows)
        return respond_with_affect(request, result, options.include, form)

    return await answer_or_events(request, answer, media_type, documents=documents, is_long=True)


def _teller(emit: Emit) -> OnRows:
    def tell(rows: AffectRows, face: int, is_final: bool) -> None:
        emit("affect", {"face": face, "final": is_final, **affect_members(rows)})

    return tell
