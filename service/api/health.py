"""Health and metadata of the server (Open Inference Protocol), and its metrics for Prometheus."""

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from service import __version__
from service.api.openapi.documentation import PROBLEM_RESPONSES, problem_responses
from service.problems import DecoderUnavailable, Draining, InferenceUnavailable, Unavailable
from service.schemas.about import Live, Ready, Sandbox, ServerMetadata
from service.services import services_of
from service.telemetry.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get("/v2", operation_id="server_metadata", summary="Name and version", responses=PROBLEM_RESPONSES)
async def server_metadata() -> ServerMetadata:
    """Name, version and extensions of this server."""
    return ServerMetadata(name="emoserve", version=__version__, extensions=["binary_tensor_data"])


@router.get("/v2/health/live", operation_id="live", summary="Liveness of the process", responses=PROBLEM_RESPONSES)
async def live() -> Live:
    """Answers as long as the event loop runs; never depends on models, decoder or GPU."""
    return Live(live=True)


@router.get(
    "/v2/health/ready",
    operation_id="ready",
    summary="Readiness for traffic",
    responses=PROBLEM_RESPONSES | problem_responses(Unavailable, Draining, DecoderUnavailable, InferenceUnavailable),
)
async def ready(request: Request) -> Ready:
    """200 when models are loaded, decoder and device work, and no shutdown is under way; else 503."""
    services = services_of(request)
    problem = services.readiness_problem()
    if problem is not None:
        raise problem
    loaded = services.loaded
    sandbox = Sandbox(**asdict(loaded.decoder.confinement))
    return Ready(
        ready=True,
        provider=loaded.pipeline.provider,
        fallback=loaded.fallback,
        sandbox=sandbox,
        reloads=services.reloads,
        reload_problem=services.reload_problem,
    )


@router.get(
    "/metrics",
    operation_id="read_metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses=PROBLEM_RESPONSES
    | {200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def read_metrics(request: Request) -> Response:
    """Counters, gauges and histograms of this process."""
    return Response(services_of(request).metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})
