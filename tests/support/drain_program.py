"""A server program with a stand-in for the models, for tests that send it signals.

Usage: ``python -m tests.support.drain_program READY_GRACE_S DRAIN_S``; prints its address when it is ready.
"""

import sys

from service.server import serve
from tests.support.fakes import fake_services
from tests.support.live_server import small_settings


def main() -> int:
    settings = small_settings(ready_grace_s=float(sys.argv[1]), drain_s=float(sys.argv[2]))
    services = fake_services(settings)
    services.loaded.pipeline.slow_s = 1.5  # type: ignore[attr-defined]
    return serve(settings, services, lambda address: print(address, flush=True))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
