"""Largest memory of the service and its decoders while they take the worst recordings that are accepted.

Small files that decode to as much as one request may hold come from two senders at once, more of them than the budget
of decoded sound has room for: some are answered 503.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from benchmarks.clips import flac_of_one_value
from benchmarks.measurement import emit
from benchmarks.memory import resident_mebibytes
from benchmarks.server import running_server

SENDERS = ("127.0.0.1", "127.0.0.2")
LOOK_S = 0.1
TIMEOUT_S = 600.0
EMOTION = "/v1/audio/emotion"


@dataclass(frozen=True)
class Worst:
    """A recording, and how often each sender sends it at once."""

    name: str
    body: bytes
    parameters: dict[str, str] = field(default_factory=dict)
    at_once: int = 4


def run() -> None:
    """Measure and print."""
    mono, wide = flac_of_one_value(3300, 16_000, 1), flac_of_one_value(1700, 16_000, 8)
    recordings = (
        Worst("55_minutes_of_mono", mono),
        Worst("28_minutes_of_8_channels_each", wide, {"channel": "each"}, 1),
        Worst("55_minutes_of_mono_denoised", mono, {"denoise": "true"}),
        Worst("55_minutes_of_8_channels_at_192_khz", flac_of_one_value(3300, 192_000, 8), at_once=2),
    )
    with running_server(jobs="false", capacity_s="100000") as server:
        idle = resident_mebibytes(server.pid)
        emit("memory_idle", idle, "MiB", benchmark="worst-memory")
        for recording in recordings:
            peak, answers = _peak(server.pid, server.port, recording)
            emit(
                f"memory_{recording.name}",
                peak,
                "MiB",
                benchmark="worst-memory",
                at_once=len(SENDERS) * recording.at_once,
                answers=answers,
            )


def _peak(pid: int, port: int, recording: Worst) -> tuple[float, dict[int, int]]:
    """Largest memory in MiB while the requests are under way, and their answers."""
    over, peaks = threading.Event(), [0.0]

    def watch() -> None:
        while not over.wait(LOOK_S):
            peaks.append(resident_mebibytes(pid))

    def post(sender: str) -> int:
        transport = httpx.HTTPTransport(local_address=sender)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S, transport=transport) as client:
            return client.post(EMOTION, content=recording.body, params=recording.parameters).status_code

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(len(SENDERS) * recording.at_once) as pool:
        answers = Counter(pool.map(post, [sender for sender in SENDERS for _ in range(recording.at_once)]))
    over.set()
    watcher.join()
    return max(peaks), dict(answers)
