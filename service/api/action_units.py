"""``/v1/action-units``: parse, call the pipeline, render."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api.answer_query import AnswerQuery
from service.api.answers import ANSWER_MEDIA_TYPES, refuse_what_cannot_be_carried
from service.api.event_stream import Emit, answer_or_events
from service.api.openapi.video import TABLE_BODY, TABLE_RESPONSES
from service.api.parameters import refuse_repeated_parameters
from service.api.upload_answer import answer_media_type, respond_with_affect
from service.api.video_parameters import TableQuery
from service.http.uploads import RAW_TABLES
from service.pipeline.device.task import Work
from service.pipeline.video_setup import require_affect
from service.services import services_of

router = APIRouter(tags=["video"])


class TableCallQuery(TableQuery, AnswerQuery):
    """Query parameters of the call."""


@router.post(
    "/v1/action-units/affect",
    operation_id="analyse_action_units_affect",
    summary="Arousal and valence from a table of action units",
    responses=TABLE_RESPONSES,
    openapi_extra={"requestBody": TABLE_BODY},
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def analyse_action_units_affect(request: Request, query: Annotated[TableCallQuery, Query()]) -> Response:
    """The answer of the video call for a table that OpenFace 2.x has written, or one in the form of AVEC.

    Send the file as the raw request body (`text/csv` or `application/octet-stream`) or as the multipart part
    `file`. Columns are found by name: time stamp, confidence and 17 intensities such as `AU01_r`.
    """
    options = query.options()
    media_type = answer_media_type(request, ANSWER_MEDIA_TYPES)
    form = query.form(media_type)
    refuse_what_cannot_be_carried(options.include, media_type)
    affect = require_affect(services_of(request).loaded.affect)

    def answer(data: memoryview, work: Work, _emit: Emit | None) -> bytes:
        return respond_with_affect(request, affect.analyse_table(data, options, work), options.include, form)

    return await answer_or_events(request, answer, media_type, RAW_TABLES)
