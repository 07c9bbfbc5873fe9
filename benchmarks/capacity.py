"""Replicas and their cost for rates of 1 to 10,000 requests a second: queues are simulated with measured service times.

A request's service time is the processor time that it takes of a service and its decoders, from the kernel's counters
of each thread, so that other load on the machine changes it less than it changes latencies. Requests are measured one
after the other, and all of them are scaled to the mean under load, where windows of several share a batch. A replica is
a queue with as many servers as it has cores, and gets a random share of arrivals at random (M/G/c): one replica at its
share stands for all. Refusals, GPUs and a balancer that looks at queues are not modelled.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.clips import mixed_clips
from benchmarks.load import open_loop
from benchmarks.measurement import emit
from benchmarks.server import running_server
from service.cpus import usable_cpus

RATES = (1, 10, 100, 1_000, 10_000)
"""Requests a second."""

HOURS_A_MONTH = 730
WARM_UP, MEASURED = 20, 300
"""Requests, one after the other."""

LOAD, LOAD_S = 0.7, 10.0
"""Share of the processors that requests take under load, and for how long, in seconds."""

SIMULATED = 40_000
"""Arrivals at one replica."""

Times = NDArray[np.float64]


def measured_times_s(cores: int) -> tuple[Times, float]:
    """Processor seconds of :data:`MEASURED` requests of the usual mix, float64 [requests], and their mean under load.

    Args:
        cores: of the machine.
    """
    clips, spent_s = mixed_clips(), [0.0]
    with running_server(jobs="false") as server:
        for number in range(WARM_UP + MEASURED):
            result = asyncio.run(open_loop(server.port, [clips[number % len(clips)]], 1.0, 1.0))
            if result.failures:
                raise RuntimeError(f"requests failed: {result.failures}")
            spent_s.append(processor_s(server.pid))
        times_s = np.diff(spent_s)[WARM_UP:]
        before_s = processor_s(server.pid)
        result = asyncio.run(open_loop(server.port, clips, LOAD * cores / times_s.mean(), LOAD_S))
        mean_s = (processor_s(server.pid) - before_s) / len(result.latencies_s)
    return times_s, mean_s


def processor_s(pid: int) -> float:
    """Processor seconds of the threads that a process and its children have now."""
    process = psutil.Process(pid)
    folders = (Path(f"/proc/{one.pid}/task") for one in (process, *process.children(recursive=True)))
    counters = (file.read_text().split()[0] for folder in folders for file in folder.glob("*/schedstat"))
    return sum(map(int, counters)) / 1e9


def latencies_s(rate: float, times_s: Times, cores: int, seed: int = 440, arrivals: int = SIMULATED) -> Times:
    """Seconds from arrival to answer at one replica, in the order of arrival: float64 [arrivals].

    Args:
        rate: arrivals a second, at random.
        times_s: service times, of which each request draws one.
        cores: requests that are worked on at once.
    """
    random = np.random.default_rng(seed)
    arrived_s = np.cumsum(random.exponential(1 / rate, arrivals)).tolist()
    needed_s = random.choice(times_s, arrivals).tolist()
    free_at_s, done_s = [0.0] * cores, []
    for begin_s, need_s in zip(arrived_s, needed_s, strict=True):
        end_s = max(begin_s, free_at_s[0]) + need_s
        heapq.heapreplace(free_at_s, end_s)
        done_s.append(end_s)
    return np.asarray(done_s) - np.asarray(arrived_s)


def replicas_for(rate: float, times_s: Times, cores: int, p99_s: float, least: int = 1, most: float = 1.0) -> int:
    """Fewest replicas, at least ``least``, with which 99 % of requests are answered within ``p99_s``.

    Args:
        rate, times_s, cores: as of :func:`latencies_s`, but for all replicas.
        most: highest share of its cores that a replica may work, below 1 for a reserve.

    Raises:
        ValueError: an idle replica takes longer.
    """
    if np.percentile(times_s, 99) > p99_s:
        raise ValueError("a request takes longer than that by itself")
    low = max(least, int(rate * times_s.mean() / (cores * most)) + 1)  # with fewer and no reserve queues grow for ever
    high = low

    def is_enough(replicas: int) -> bool:
        return bool(np.percentile(latencies_s(rate / replicas, times_s, cores), 99) <= p99_s)

    while not is_enough(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--cores", type=int, default=2, help="processors of a replica")
    parser.add_argument("--p99-s", type=float, default=1.0, help="time within which 99 %% of requests are answered")
    parser.add_argument("--price", type=float, default=0.04, help="of a core for an hour; yours, in any currency")
    parser.add_argument("--least", type=int, default=2, help="fewest replicas: one may be replaced at any time")
    parser.add_argument("--most", type=float, default=0.8, help="highest share of its cores that a replica may work")
    parser.add_argument("--times-ms", type=float, nargs="+", help="service times, in place of measuring them")
    asked = parser.parse_args(arguments)
    if asked.times_ms:
        times_s = np.asarray(asked.times_ms, np.float64) / 1e3
    else:
        alone_s, mean_s = measured_times_s(usable_cpus())
        emit("service_time_alone", 1e3 * float(alone_s.mean()), "ms of a core a request", benchmark="capacity")
        times_s = alone_s * mean_s / alone_s.mean()
    report(times_s, asked)
    return 0


def report(times_s: Times, asked: argparse.Namespace) -> None:
    """Print the service time, and a line for each of :data:`RATES`."""
    cores, price = asked.cores, asked.price
    known: dict[str, Any] = {"benchmark": "capacity", "cores": cores, "p99_limit_s": asked.p99_s}
    told_ms = {f"p{percent}_ms": round(1e3 * float(np.percentile(times_s, percent)), 2) for percent in (5, 50, 95, 99)}
    mean_ms, unit = 1e3 * float(times_s.mean()), "ms of a core a request"
    emit("service_time", mean_ms, unit, requests=len(times_s), **known, percentiles=told_ms)
    for rate in RATES:
        replicas = replicas_for(rate, times_s, cores, asked.p99_s, asked.least, asked.most)
        found_s = latencies_s(rate / replicas, times_s, cores)
        emit(
            "replicas",
            replicas,
            "replicas",
            requests_per_s=rate,
            utilisation=round(rate * float(times_s.mean()) / (replicas * cores), 3),
            p50_ms=round(1e3 * float(np.percentile(found_s, 50)), 1),
            p99_ms=round(1e3 * float(np.percentile(found_s, 99)), 1),
            cost_a_month=round(replicas * cores * price * HOURS_A_MONTH),
            price_of_a_core_hour=price,
            **known,
        )


def run() -> None:
    """Measure and print, with what the options say by themselves."""
    main([])


if __name__ == "__main__":
    sys.exit(main())
