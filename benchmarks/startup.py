"""Seconds from the start of the process until it is ready, with all bundles of the checkout, at a second start."""

from statistics import median

from benchmarks.measurement import emit
from benchmarks.server import running_server
from service.registry import Registry
from service.settings import Settings

STARTS = 5


def run() -> None:
    """Measure and print."""
    times_s = []
    for _ in range(STARTS + 1):
        with running_server() as server:
            times_s.append(server.ready_s)
    bundles = [bundle.card.name for bundle in Registry.load(Settings()).bundles]
    emit(
        "start_to_ready",
        median(times_s[1:]),
        "s",
        benchmark="startup",
        fastest_s=round(min(times_s[1:]), 3),
        slowest_s=round(max(times_s[1:]), 3),
        bundles=bundles,
    )
