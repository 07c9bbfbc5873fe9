"""``/metrics`` for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.openapi.documentation import PROBLEM_RESPONSES
from service.services import services_of
from service.telemetry.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="read_metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses=PROBLEM_RESPONSES
    | {
        200: {
            "description": "Prometheus text format",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def read_metrics(request: Request) -> Response:
    """Counters, gauges and histograms of this process."""
    return Response(services_of(request).metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})
