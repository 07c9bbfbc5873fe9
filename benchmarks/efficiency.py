"""η: what the service sustains over what the same pipeline does in a process of its own.

The service's rate is the highest open-loop arrival rate with no error, p99 within :data:`LATENCY_LIMIT_S` and no
backlog. The pipeline's is decode, windows, session and answer called directly, with as many threads as serve it best.
Both use the same clips on the same machine, in turn, so that the machine's drift falls on both. The driver runs on
the same cores and takes its share of them from the service.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.clips import mixed_clips
from benchmarks.load import LoadResult, open_loop
from benchmarks.measurement import emit
from benchmarks.server import running_server
from service.pipeline.audio_options import AudioOptions
from service.pipeline.decoding.decode import Decoder
from service.pipeline.device.task import Work
from service.pipeline.speech_pipeline import SpeechPipeline
from service.registry import Registry
from service.settings import Settings

LATENCY_LIMIT_S = 1.0
STEP_DURATION_S = 8.0
FRACTIONS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2)


def pipeline_rate(clips: list[tuple[float, bytes]], threads: int, duration_s: float) -> float:
    """Audio seconds a second of the pipeline called from ``threads`` threads."""
    settings = Settings()
    decoder = Decoder(settings.limits, settings.decode_workers)
    decoder.start()
    pipeline = SpeechPipeline(settings, Registry.load(settings), decoder)
    pipeline.warm_up()
    try:
        deadline = time.perf_counter() + duration_s

        def work(place: int) -> float:
            done_s, index = 0.0, place
            while time.perf_counter() < deadline:
                audio_s, body = clips[index % len(clips)]
                pipeline.analyse(body, AudioOptions(), Work.within(600.0))
                done_s += audio_s
                index += threads
            return done_s

        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            total_s = sum(pool.map(work, range(threads)))
        return total_s / (time.perf_counter() - began)
    finally:
        pipeline.close()
        decoder.close()


def sustained(result: LoadResult) -> bool:
    """Whether a load step counts as served: no errors, tail within the limit, no backlog left at its end."""
    backlog_s = result.wall_s - STEP_DURATION_S
    return not result.failures and result.percentile_s(99) <= LATENCY_LIMIT_S and backlog_s < LATENCY_LIMIT_S


def run() -> None:
    """Measure and print."""
    clips = mixed_clips()
    mean_s = sum(duration_s for duration_s, _ in clips) / len(clips)
    rates = {threads: pipeline_rate(clips, threads, STEP_DURATION_S) for threads in (1, 2, 4)}
    threads = max(rates, key=lambda count: rates[count])
    best: LoadResult | None = None
    with running_server() as server:
        asyncio.run(open_loop(server.port, clips, 5.0, 2.0))
        for fraction in FRACTIONS:
            rate = fraction * rates[threads] / mean_s
            result = asyncio.run(open_loop(server.port, clips, rate, STEP_DURATION_S))
            if not sustained(result):
                break
            best, knee = result, rate
        if best is None:
            raise RuntimeError("the service did not sustain the lowest rate")
        tail = asyncio.run(open_loop(server.port, clips, 0.8 * knee, STEP_DURATION_S))
    ceiling = (rates[threads] + pipeline_rate(clips, threads, STEP_DURATION_S)) / 2
    served = best.audio_s / best.wall_s
    context: dict[str, Any] = {
        "benchmark": "efficiency",
        "clips_s": [duration_s for duration_s, _ in clips],
        "pipeline_threads": threads,
    }
    emit("efficiency", served / ceiling, "ratio", ratio_of="service / in-process pipeline, audio s per s", **context)
    emit("service_throughput", served, "audio s per s", **context)
    emit("pipeline_throughput", ceiling, "audio s per s", **context)
    emit("latency_p50_at_80_percent", tail.percentile_s(50), "s", **context)
    emit("latency_p99_at_80_percent", tail.percentile_s(99), "s", **context)
