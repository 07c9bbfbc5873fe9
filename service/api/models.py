"""``/v1/models``: what is served, from what data, for what use; ``/v2/models``: the same for machines."""

from collections.abc import Sequence

from fastapi import APIRouter, Request

from service.api.openapi.documentation import NOT_FOUND_RESPONSES, PROBLEM_RESPONSES, problem_responses
from service.card import Card
from service.pipeline.device.session import Signature, Tensor
from service.problems import ModelNotFound, Unavailable
from service.registry import Bundle
from service.schemas.about import ModelEntry, ModelMetadata, ModelReady, ModelsAnswer, TensorMetadata, WithheldEntry
from service.services import services_of

router = APIRouter(tags=["models"])

PLATFORM = "onnxruntime_onnx"
ANY = -1
AFFECT_FEATURES = 37

_STARTING = problem_responses(Unavailable)
_OF_ONE = NOT_FOUND_RESPONSES | _STARTING


@router.get("/v1/models", operation_id="list_models", summary="All models", responses=PROBLEM_RESPONSES | _STARTING)
async def list_models(request: Request) -> ModelsAnswer:
    """Every model with its card (intended use, limits, measurements), and those withheld with the reason."""
    return _all(request)


@router.get("/v1/models/{name}", operation_id="read_model", summary="All versions of a model", responses=_OF_ONE)
async def read_model(request: Request, name: str) -> ModelsAnswer:
    """The cards of every version of one model."""
    every = _all(request)
    models = [entry for entry in every.models if entry.card.name == name]
    withheld = [entry for entry in every.withheld if entry.name == name]
    if not models and not withheld:
        raise ModelNotFound
    return ModelsAnswer(models=models, withheld=withheld)


@router.get(
    "/v1/models/{name}/{version}",
    operation_id="read_model_version",
    summary="One version of a model",
    responses=_OF_ONE,
)
async def read_model_version(request: Request, name: str, version: str) -> ModelEntry:
    """The card of one version of one model."""
    return _entry(_versions(request, name, version)[0])


@router.get("/v2/models/{model}", operation_id="model_metadata", summary="Tensors of a model", responses=_OF_ONE)
async def model_metadata(request: Request, model: str) -> ModelMetadata:
    """Open Inference Protocol metadata of the newest version."""
    return _metadata(request, _versions(request, model))


@router.get("/v2/models/{model}/ready", operation_id="model_ready", summary="Readiness of a model", responses=_OF_ONE)
async def model_ready(request: Request, model: str) -> ModelReady:
    """200 when the model can take requests now."""
    return _ready(request, _versions(request, model))


@router.get(
    "/v2/models/{model}/versions/{version}",
    operation_id="model_version_metadata",
    summary="Tensors of one version of a model",
    responses=_OF_ONE,
)
async def model_version_metadata(request: Request, model: str, version: str) -> ModelMetadata:
    """Open Inference Protocol metadata of one version."""
    return _metadata(request, _versions(request, model, version))


@router.get(
    "/v2/models/{model}/versions/{version}/ready",
    operation_id="model_version_ready",
    summary="Readiness of one version of a model",
    responses=_OF_ONE,
)
async def model_version_ready(request: Request, model: str, version: str) -> ModelReady:
    """200 when this version of the model can take requests now."""
    return _ready(request, _versions(request, model, version))


def _all(request: Request) -> ModelsAnswer:
    registry = services_of(request).loaded.registry
    return ModelsAnswer(
        models=[_entry(bundle) for bundle in registry.bundles],
        withheld=[
            WithheldEntry(name=model.name, version=model.version, reason=model.reason) for model in registry.withheld
        ],
    )


def _versions(request: Request, name: str, version: str | None = None) -> list[Bundle]:
    """Bundles of that name (and version), as the registry orders them.

    Raises:
        ModelNotFound: there are none.
    """
    found = [
        bundle
        for bundle in services_of(request).loaded.registry.bundles
        if bundle.card.name == name and version in (None, bundle.card.version)
    ]
    if not found:
        raise ModelNotFound
    return found


def newest(request: Request, name: str, version: str | None = None) -> Bundle:
    """The bundle of that name and version, the newest where none is named; raises ``ModelNotFound``."""
    return _versions(request, name, version)[-1]


def _entry(bundle: Bundle) -> ModelEntry:
    return ModelEntry(sha256=bundle.sha256, loaded=True, card=bundle.card)


def _metadata(request: Request, bundles: list[Bundle]) -> ModelMetadata:
    card = bundles[-1].card
    signature = services_of(request).loaded.pipeline.signature(card.name, card.version)
    return metadata_of(card, [bundle.card.version for bundle in bundles], signature)


def _ready(request: Request, bundles: list[Bundle]) -> ModelReady:
    problem = services_of(request).readiness_problem()
    if problem is not None:
        raise problem
    return ModelReady(name=bundles[-1].card.name, ready=True)


def metadata_of(card: Card, versions: list[str], signature: Signature | None) -> ModelMetadata:
    """Inputs and outputs of a model, for clients of the protocol.

    Args:
        card: of the model.
        versions: that are served.
        signature: of its graph, or None where it is not a single graph: an affect model is two graphs alike,
            ``features`` [batch, steps, 37] → ``affect`` [batch, steps]; of chains of different graphs, such
            as those of faces, nothing is said.
    """
    inputs: list[TensorMetadata] = []
    outputs: list[TensorMetadata] = []
    if signature is not None:
        inputs, outputs = _tensors(signature.inputs), _tensors(signature.outputs)
    elif card.task == "affect":
        inputs = [TensorMetadata(name="features", datatype="FP32", shape=[ANY, ANY, AFFECT_FEATURES])]
        outputs = [TensorMetadata(name="affect", datatype="FP32", shape=[ANY, ANY])]
    return ModelMetadata(name=card.name, versions=versions, platform=PLATFORM, inputs=inputs, outputs=outputs)


def _tensors(tensors: Sequence[Tensor]) -> list[TensorMetadata]:
    return [TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape)) for tensor in tensors]
