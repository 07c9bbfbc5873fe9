"""Latency of short clips of one sender while another sends what takes long: decompression bombs, long recordings.

Both call from this machine, from two addresses, which is what tells owners apart where there are no keys. Clips follow
one another at a constant rate for as long as the heavy requests are under way; the driver runs on the same cores.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from benchmarks.clips import flac_of_one_value, wav_bytes
from benchmarks.load import LoadResult, open_loop
from benchmarks.measurement import emit
from benchmarks.server import Server, running_server

EMOTION = "/v1/audio/emotion"
NEIGHBOUR = "127.0.0.2"
"""The other sender's address."""

CLIP_S = 3.0
REQUESTS_PER_S = 4.0
ALONE_S, ROUND_S = 10.0, 1.0
HEAVY_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Heavy:
    """Requests that one sender has under way at once."""

    name: str
    body: Callable[[], bytes]
    at_once: int


BOMB_S, LONG_S = 3300.0, 600.0
HEAVY = (
    Heavy("four_decompression_bombs", lambda: flac_of_one_value(BOMB_S, 192_000, 8), 4),
    Heavy("eight_ten_minute_uploads", lambda: wav_bytes(LONG_S, 440), 8),
)


def run() -> None:
    """Measure and print."""
    clips = [(CLIP_S, wav_bytes(CLIP_S, seed)) for seed in range(4)]
    with running_server(jobs="false") as server:
        _clips(server, clips, ALONE_S)  # what is slow once
        _print("alone", _clips(server, clips, ALONE_S))
        for heavy in HEAVY:
            body = heavy.body()
            with ThreadPoolExecutor(heavy.at_once) as pool:
                began = time.perf_counter()
                requests = [pool.submit(_post, server.port, body) for _ in range(heavy.at_once)]
                beside = LoadResult()
                while not all(map(Future.done, requests)):
                    part = _clips(server, clips, ROUND_S)
                    beside.latencies_s += part.latencies_s
                    beside.failures = dict(Counter(beside.failures) + Counter(part.failures))
                took_s = time.perf_counter() - began
            answers = dict(Counter(request.result() for request in requests))
            _print(f"beside_{heavy.name}", beside, heavy_s=round(took_s, 1), heavy_answers=answers)


def _clips(server: Server, clips: list[tuple[float, bytes]], duration_s: float) -> LoadResult:
    return asyncio.run(open_loop(server.port, clips, REQUESTS_PER_S, duration_s, NEIGHBOUR))


def _post(port: int, body: bytes) -> int:
    """Status of a heavy request."""
    return httpx.post(f"http://127.0.0.1:{port}{EMOTION}", content=body, timeout=HEAVY_TIMEOUT_S).status_code


def _print(name: str, clips: LoadResult, heavy_s: float = 0.0, heavy_answers: dict[int, int] | None = None) -> None:
    for what, value in (("p50", clips.percentile_s(50)), ("largest", clips.percentile_s(100))):
        emit(
            f"another_senders_clip_{name}_{what}",
            value,
            "s",
            benchmark="beside-heavy",
            requests=len(clips.latencies_s),
            refused=clips.failures,
            heavy_s=heavy_s,
            heavy_answers=heavy_answers or {},
        )
