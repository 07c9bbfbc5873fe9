"""Measurements of a GPU: ``python -m benchmarks gpu`` where one is; ``EMOSERVE_DEVICE=cpu`` in front tries the script.

It needs no network. It prints JSON lines, then a table, and ends within eight minutes: the start and what the probe
says; for every bundle the largest difference of the device from the CPU; windows a second by batch; latency of the
service at a load that it bears; memory of the device. Whoever runs it sends what it printed.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.clips import wav_bytes
from benchmarks.load import open_loop
from benchmarks.measurement import emit
from benchmarks.server import running_server
from service.pipeline.device.session import CPU, Array, GpuMemory, Session, resolve_provider, why_cuda_is_unusable
from service.registry import SPEECH_EMOTION, Bundle, Registry
from service.settings import Settings

ENDS_S = 420.0
"""Seconds after which no further measurement begins."""

CLIPS = 6
CLIP_S = (0.5, 3.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
BATCH_ROUNDS = 15
LOADS_HZ = (5.0, 20.0, 80.0, 320.0)
LOAD_S = 10.0
BORNE = 0.99
"""Share of requests that are answered at a load that the service bears."""


def run() -> None:
    """Measure and print."""
    settings = Settings()
    began = time.monotonic()
    rows: list[tuple[str, float, str]] = []

    def tell(name: str, value: float, unit: str, **context: Any) -> None:  # noqa: ANN401 - as of emit
        rows.append((name, value, unit))
        emit(name, value, unit, benchmark="gpu", **context)

    provider = resolve_provider(settings.device)
    cause = why_cuda_is_unusable()
    tell("gpu_usable", float(cause is None), "0 or 1", provider=provider, cause=cause or "")
    memory = None if provider == CPU else GpuMemory()
    registry = Registry.load(settings)
    for bundle in registry.bundles:
        if time.monotonic() - began < ENDS_S:
            for name, value, unit, context in _parity(bundle, settings):
                tell(name, value, unit, **context)
    default = registry.find() if registry.of_task(SPEECH_EMOTION) else None
    if default is not None:
        for batch, rate_hz in _batches(default, settings):
            tell(f"windows_a_second_batch_{batch}", rate_hz, "1/s", model=default.card.name)
    if memory is not None:
        tell("gpu_memory_in_use", memory.used_bytes() / 2**20, "MiB")
    if time.monotonic() - began < ENDS_S:
        _load(tell)
    sys.stdout.write("\n| figure | value | unit |\n|---|---|---|\n")
    sys.stdout.writelines(f"| {name} | {value:.4g} | {unit} |\n" for name, value, unit in rows)


def _parity(bundle: Bundle, settings: Settings) -> Iterator[tuple[str, float, str, dict[str, str]]]:
    """The largest difference of each graph of a bundle from the CPU, and seconds until its first answer."""
    for name, entry in bundle.card.files.items():
        if not name.endswith(".onnx"):
            continue
        file, facts = bundle.folder / name, {"model": bundle.card.name, "role": entry.role}
        began = time.perf_counter()
        device, reference = Session(file, device=settings.device), Session(file, device="cpu")
        feeds = list(_feeds(reference))
        outputs = [device.run(feed, device.output_names) for feed in feeds]
        yield f"first_answers_s_{bundle.card.name}_{entry.role}", time.perf_counter() - began, "s", facts
        largest = 0.0
        for feed, found in zip(feeds, outputs, strict=True):
            wanted = reference.run(feed, reference.output_names)
            differences = [np.abs(found[key] - wanted[key]).max(initial=0.0) for key in wanted if wanted[key].size]
            largest = max([largest, *map(float, differences)])
        yield f"largest_difference_{bundle.card.name}_{entry.role}", largest, "", facts


def _feeds(session: Session) -> Iterator[dict[str, Array]]:
    """Inputs of every length for a speech graph, and of its own shape with open sizes of 8 for any other."""
    source = np.random.default_rng(440)
    names = set(session.input_names)
    for number in range(CLIPS):
        if names == {"waveform", "lengths"}:
            seconds = np.interp(number, (0, CLIPS - 1), CLIP_S)
            clip = source.normal(0, 0.1, (1, round(seconds * 16_000))).astype(np.float32)
            yield {"waveform": clip, "lengths": np.array([clip.shape[1]])}
            continue
        feed: dict[str, Array] = {}
        for tensor in session.signature.inputs:
            shape = [size if size > 0 else 8 for size in tensor.shape]
            if tensor.datatype == "FP32":
                feed[tensor.name] = source.uniform(0, 1, shape).astype(np.float32)
            else:
                feed[tensor.name] = np.full(shape, 16_000, np.int64)  # the sample rate of voice activity
        yield feed


def _batches(bundle: Bundle, settings: Settings) -> Iterator[tuple[int, float]]:
    """Windows of the card's length a second, by batch."""
    speech = bundle.card.speech
    assert speech is not None
    session = Session(bundle.path(), device=settings.device)
    samples = round(speech.window_s * speech.sample_rate_hz)
    source = np.random.default_rng(440)
    for batch in BATCHES:
        clips = source.normal(0, 0.1, (batch, samples)).astype(np.float32)
        feed = {"waveform": clips, "lengths": np.full(batch, samples)}
        session.run(feed, ("probabilities",))  # warm
        times_s = []
        for _ in range(max(2, BATCH_ROUNDS if session.provider != CPU else BATCH_ROUNDS // batch)):
            began = time.perf_counter()
            session.run(feed, ("probabilities",))
            times_s.append(time.perf_counter() - began)
        yield batch, batch / statistics.median(times_s)


def _load(tell: Callable[..., None]) -> None:
    """Latency of 3 s clips at rising loads, up to the first that the service does not bear."""
    clip = [(3.0, wav_bytes(3.0, 1))]
    with running_server(device=os.environ.get("EMOSERVE_DEVICE", "auto")) as server:
        tell("ready_s", server.ready_s, "s")
        asyncio.run(open_loop(server.port, clip, 2.0, 3.0))  # warm
        for load_hz in LOADS_HZ:
            result = asyncio.run(open_loop(server.port, clip, load_hz, LOAD_S))
            share = len(result.latencies_s) / (len(result.latencies_s) + sum(result.failures.values()))
            facts = {"answered": round(share, 4)}
            tell(f"latency_p50_at_{load_hz:g}_a_second", 1000 * result.percentile_s(50), "ms", **facts)
            tell(f"latency_p99_at_{load_hz:g}_a_second", 1000 * result.percentile_s(99), "ms", **facts)
            if share < BORNE:
                return
