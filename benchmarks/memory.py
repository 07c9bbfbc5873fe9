"""Resident memory of the service and its decoders over a thousand varied clips."""

import asyncio
import contextlib

import numpy as np
import psutil

from benchmarks.clips import wav_bytes
from benchmarks.load import open_loop
from benchmarks.measurement import emit
from benchmarks.server import running_server

ROUNDS = 10
CLIPS_A_ROUND = 100
REQUESTS_PER_S = 30.0


def resident_mebibytes(pid: int) -> float:
    """Proportional set size of a process and its children, so that shared pages count once."""
    process, size_bytes = psutil.Process(pid), 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # a decoder that ended just now
            size_bytes += one.memory_full_info().pss
    return float(size_bytes) / 2**20


def run() -> None:
    """Measure and print."""
    random = np.random.default_rng(440)
    bases = [wav_bytes(duration_s, seed) for seed, duration_s in enumerate((3.0, 6.0, 12.0))]
    sizes = []
    with running_server() as server:
        for _ in range(ROUNDS):
            clips = []
            for _ in range(CLIPS_A_ROUND):
                base = bases[int(random.integers(len(bases)))]
                # Any even cut of the data is a valid file whose header claims too much; the real length counts.
                kept = 44 + 2 * int(random.uniform(0.2, 1.0) * (len(base) - 44) / 2)
                clips.append(((kept - 44) / 32_000, base[:kept]))
            result = asyncio.run(open_loop(server.port, clips, REQUESTS_PER_S, CLIPS_A_ROUND / REQUESTS_PER_S))
            if result.failures:
                raise RuntimeError(f"requests failed: {result.failures}")
            sizes.append(resident_mebibytes(server.pid))
    emit("resident_memory_after_1000_clips", sizes[-1], "MiB", benchmark="memory")
    emit(
        "resident_memory_growth",
        sizes[-1] / sizes[1],
        "ratio",
        ratio_of="after 1,000 clips / after 200 clips",
        benchmark="memory",
        mebibytes=[round(size, 1) for size in sizes],
    )
