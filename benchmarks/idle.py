"""Processor time of a service that nobody calls, without and with jobs."""

from __future__ import annotations

import tempfile
import time

from benchmarks.measurement import emit
from benchmarks.server import running_server

SETTLE_S = 90.0
"""Wait after the start: what is loaded late is loaded by then, and what looks often at first looks seldom."""

SPAN_S = 120.0


def run() -> None:
    """Measure and print."""
    for jobs in ("false", "true"):
        with tempfile.TemporaryDirectory() as folder, running_server(jobs=jobs, state_dir=folder) as server:
            time.sleep(SETTLE_S)
            before_s = server.processor_s()
            time.sleep(SPAN_S)
            spent_ms = 1e3 * (server.processor_s() - before_s)
        emit("idle", spent_ms / SPAN_S, "ms of processor time a second", benchmark="idle", jobs=jobs)
