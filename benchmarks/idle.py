"""Processor time of a service that nobody calls, without and with jobs."""

from __future__ import annotations

import tempfile
import time

import psutil

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
            process = psutil.Process(server.pid)
            before_s = _processor_s(process)
            time.sleep(SPAN_S)
            spent_ms = 1e3 * (_processor_s(process) - before_s)
        emit("idle", spent_ms / SPAN_S, "ms of processor time a second", benchmark="idle", jobs=jobs)


def _processor_s(process: psutil.Process) -> float:
    """Processor time of a service and its decoders in seconds."""
    spent = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(times.user + times.system for times in spent)
