"""Emoserve as a Ray Serve application: the same routes, one service a replica.

    cd deploy/ray_serve && serve run emoserve_app:app

Each replica owns its models, decoders and device, as a process of ``emoserve serve`` does; Ray starts, watches and
multiplies replicas. Settings are the same ``EMOSERVE_…`` variables.
"""

from ray import serve
from starlette.types import ASGIApp


def build() -> ASGIApp:
    """The application, built where the replica runs."""
    from service.app import create_app
    from service.settings import Settings
    from service.telemetry.logs import configure_logging

    settings = Settings()
    configure_logging(settings.log_level)
    return create_app(settings)


@serve.deployment(
    ray_actor_options={"num_cpus": 2},  # {"num_cpus": 4, "num_gpus": 1} with EMOSERVE_DEVICE=cuda
    max_ongoing_requests=128,  # as EMOSERVE_MAX_REQUESTS: beyond it the service itself answers 503
    graceful_shutdown_timeout_s=45,
    health_check_period_s=10,
)
@serve.ingress(build)
class Emoserve:
    """One replica."""


app = Emoserve.bind()
