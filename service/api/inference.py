"""``/v2/models/{model}/infer``: the Open Inference Protocol runs a speech graph on tensors as they are."""

from fastapi import APIRouter, Request, Response

from service.api.models import newest
from service.api.openapi.inference import INFER_BODY, INFER_PARAMETER, INFER_RESPONSES
from service.api.upload_answer import do_upload, note_analysis
from service.http.negotiation import JSON
from service.http.tensors import INFERENCE_HEADER, read_tensors, write_tensors
from service.http.uploads import MULTIPART, RAW_TYPES
from service.pipeline.device.task import Work
from service.pipeline.results import MediaInfo
from service.problems import UnsupportedContentType
from service.services import services_of

router = APIRouter(tags=["models"])

BINARY = RAW_TYPES[0]
_TAKES = {"requestBody": INFER_BODY, "parameters": [INFER_PARAMETER]}


@router.post(
    "/v2/models/{model}/infer",
    operation_id="infer",
    summary="Run a model on tensors",
    responses=INFER_RESPONSES,
    openapi_extra=_TAKES,
    response_class=Response,
)
async def infer(request: Request, model: str) -> Response:
    """Open Inference Protocol: run the newest version of a speech model's graph on windows of sound.

    Tensors are those of the model's metadata, as JSON or as bytes behind it (`Inference-Header-Content-Length`);
    `waveform` may be one clip, and `lengths` may be left out. Nothing is decoded or cut to its voice, and no clip may
    be longer than the card's `max_length_s`: for recordings there is `/v1/audio/emotion`.
    """
    return await _infer(request, model)


@router.post(
    "/v2/models/{model}/versions/{version}/infer",
    operation_id="infer_version",
    summary="Run one version of a model on tensors",
    responses=INFER_RESPONSES,
    openapi_extra=_TAKES,
    response_class=Response,
)
async def infer_version(request: Request, model: str, version: str) -> Response:
    """The same for one version."""
    return await _infer(request, model, version)


async def _infer(request: Request, name: str, version: str | None = None) -> Response:
    pipeline = services_of(request).loaded.pipeline
    card = newest(request, name, version).card
    reference = pipeline.graph(card.name, card.version).reference
    if request.headers.get("content-type", BINARY).partition(";")[0].strip().lower() == MULTIPART:
        raise UnsupportedContentType(f"Tensors come as {JSON} or {BINARY}.")
    json_bytes = request.headers.get(INFERENCE_HEADER)

    def run(data: memoryview, work: Work) -> tuple[bytes, int | None]:
        asked = read_tensors(data, json_bytes)
        outputs, sound_s = pipeline.infer(card.name, card.version, asked.inputs, asked.outputs, work)
        exchange = note_analysis(request, MediaInfo(sound_s, "tensor", "fp32"), work.stages_s, [reference])
        with exchange.stage("render"):
            return write_tensors(asked, card.name, card.version, outputs)

    body, size = await do_upload(request, run, (JSON, BINARY))
    if size is None:
        return Response(body, media_type=JSON)
    return Response(body, media_type=BINARY, headers={INFERENCE_HEADER: str(size)})
