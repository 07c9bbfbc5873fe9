"""``/v1/audio/embedding``: parse, call the pipeline, render."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api.answers import EMBEDDING_MEDIA_TYPES, embedding_answer
from service.api.openapi.documentation import UPLOAD_BODY
from service.api.openapi.embedding import EMBEDDING_RESPONSES
from service.api.parameters import EmbeddingQuery, refuse_repeated_parameters
from service.api.upload_answer import answer_media_type, answer_upload, note_analysis
from service.pipeline.audio_options import EmbeddingOptions
from service.pipeline.device.task import Work
from service.services import services_of

router = APIRouter(tags=["audio"])


@router.post(
    "/v1/audio/embedding",
    operation_id="embed_audio",
    summary="Embeddings of a recording",
    responses=EMBEDDING_RESPONSES,
    openapi_extra={"requestBody": UPLOAD_BODY},
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def embed_audio(request: Request, query: Annotated[EmbeddingQuery, Query()]) -> Response:
    """One row of features for every window of any audio file or the sound track of a video.

    Send the file as the raw request body with its media type or as the multipart part `file`. `Accept` chooses
    between JSON and CSV (columns `start_s`, `end_s`, `e0`, `e1` …). Every model whose graph gives an embedding
    serves this call; without `model` it is the preferred one that was made for embeddings, else the one that
    judges emotion. Any sound has an embedding; a silent window has none: its row is null.
    """
    options = query.options(services_of(request).settings.limits)
    media_type = answer_media_type(request, EMBEDDING_MEDIA_TYPES)
    return await answer_upload(request, lambda data, work: _embed(request, data, options, media_type, work), media_type)


def _embed(request: Request, data: memoryview, options: EmbeddingOptions, media_type: str, work: Work) -> bytes:
    """The blocking half: pipeline and rendering, in a worker thread."""
    result = services_of(request).loaded.pipeline.embed(data, options, work)
    exchange = note_analysis(request, result.media, result.stages_s, [result.model])
    with exchange.stage("render"):
        return embedding_answer(result, media_type, exchange.request_id)
