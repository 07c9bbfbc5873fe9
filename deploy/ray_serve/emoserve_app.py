"""Emoserve as a Ray Serve application: the same routes, one service a replica.

    cd deploy/ray_serve && serve run emoserve_app:app

Each replica owns its models, decoders and device, as a process of ``emoserve serve`` does; Ray starts, watches and
multiplies replicas. Settings are the same ``EMOSERVE_…`` variables. ``EMOSERVE_ALLOWED_HOSTS`` names the hosts by which
Ray's proxy is asked.
"""

import asyncio

from ray import serve
from starlette.types import ASGIApp

from service.health import Phase
from service.services import Services

START_S = 120.0
"""Longest wait for the models of a new replica."""


def build() -> ASGIApp:
    """The application, built where the replica runs."""
    from service.app import create_app
    from service.settings import Settings
    from service.telemetry.logs import configure_logging

    settings = Settings()
    configure_logging(settings.log_level)
    return create_app(settings)


async def check_ready(services: Services) -> None:
    """Return once the service is ready for traffic: Ray sends none to a replica before its first check is over.

    Raises:
        TimeoutError: its models were not loaded in time.
        RuntimeError: it is not ready; the message says why.
    """
    async with asyncio.timeout(START_S):
        while services.health.phase is Phase.STARTING:
            await asyncio.sleep(0.1)
    problem = services.readiness_problem()
    if problem is not None:
        raise RuntimeError(problem.detail)


@serve.deployment(
    ray_actor_options={"num_cpus": 2},  # {"num_cpus": 4, "num_gpus": 1} with EMOSERVE_DEVICE=cuda
    max_ongoing_requests=128,  # as EMOSERVE_MAX_REQUESTS: beyond it the service itself answers 503
    graceful_shutdown_timeout_s=45,
    health_check_period_s=10,
    health_check_timeout_s=150,  # more than START_S
)
@serve.ingress(build)
class Emoserve:
    """One replica."""

    async def check_health(self) -> None:
        """Called by Ray: after the replica is made, and at intervals."""
        await check_ready(self.app.state.services)  # type: ignore[attr-defined]  # Ray adds ``app``


app = Emoserve.bind()
