"""Memory and descriptors of a service over thousands of mixed requests: ``python -m benchmarks.soak --requests 10000``.

Clips, tables, plots, events, embeddings, videos, streams, jobs, errors, and uploads and answers that are cut off come
in a drawn order, several at once. Memory is the proportional set size of the service, its fork server and its decoders.
With ``EMOSERVE_SHARED`` set, videos are the first second of ``media/single_face.mp4`` of that folder; without, pictures
without a face.
"""

import argparse
import io
import json
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import httpx
import numpy as np
import psutil
from websockets.sync.client import connect

from benchmarks.clips import SAMPLE_RATE_HZ, wav_bytes
from benchmarks.measurement import emit
from benchmarks.memory import resident_mebibytes
from benchmarks.server import Server, running_server

AT_ONCE = 4
WARM_UP = 400
"""Requests before the first look: all that is loaded late, and every thread and decoder, is there then."""

QUARTERS = 4
QUIET_S = 65.0
"""Seconds without a request before a look: what was cut off has ended, and the engine of jobs rests by then."""

CLIPS_S = (1.0, 3.0, 6.0, 12.0)
VIDEO_S, VIDEO_HZ = 1.0, 10
JOB_POLL_S = 0.1
JSON, CSV, PNG, EVENTS = "application/json", "text/csv", "image/png", "text/event-stream"
BAD = (b"%PDF-1.7" + bytes(300), b"RIFF", b"", b"\0" * 5000)


@dataclass(frozen=True)
class Look:
    """Memory in MiB, descriptors and threads of the service and its children at a moment."""

    memory_mib: float
    descriptors: int
    threads: int


def look(pid: int) -> Look:
    """Look at a process and its children; one that ends meanwhile counts no more."""
    descriptors = threads = 0
    for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            own = one.num_fds(), one.num_threads()
            descriptors, threads = descriptors + own[0], threads + own[1]
    return Look(round(resident_mebibytes(pid), 1), descriptors, threads)


class Soak:
    """Requests of every kind, each chosen by its number.

    Args:
        server: what they go to.

    Attributes:
        kinds: a function for each kind that sends one such request, and how often of 100 it is drawn.
        outcomes: how many requests of each kind ended in each way.
    """

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=300)
        self._clips = [wav_bytes(duration_s, seed) for seed, duration_s in enumerate(CLIPS_S)]
        self._video = _video()
        self.kinds: dict[Callable[[random.Random], str], int] = {
            self._clip: 40,
            self._embedding: 8,
            self._events: 8,
            self._table: 6,
            self._seen: 6,
            self._stream: 6,
            self._job: 4,
            self._error: 12,
            self._cut_upload: 5,
            self._cut_answer: 5,
        }
        self.outcomes: Counter[str] = Counter()

    def run(self, number: int) -> None:
        """Send the request with this number."""
        drawn = random.Random(number)
        (kind,) = drawn.choices(list(self.kinds), list(self.kinds.values()))
        self.send(kind, drawn)

    def send(self, kind: Callable[[random.Random], str], drawn: random.Random) -> None:
        """Send a request of that kind."""
        self.outcomes[f"{kind.__name__.strip('_')} {kind(drawn)}"] += 1

    def _post(self, path: str, body: bytes, accept: str = JSON, **parameters: str) -> str:
        answer = self._client.post(path, content=body, params=parameters, headers={"Accept": accept})
        return str(answer.status_code)

    def _clip(self, drawn: random.Random) -> str:
        accept = drawn.choice((JSON, JSON, CSV, PNG))
        return self._post("/v1/audio/emotion", drawn.choice(self._clips), accept, timeline="true", segments="true")

    def _embedding(self, drawn: random.Random) -> str:
        return self._post("/v1/audio/embedding", drawn.choice(self._clips), drawn.choice((JSON, CSV)))

    def _events(self, drawn: random.Random) -> str:
        return self._post("/v1/audio/emotion", drawn.choice(self._clips), EVENTS)

    def _table(self, drawn: random.Random) -> str:
        rows = drawn.randrange(100, 400)
        units = ",".join(f"AU{unit:02d}_r" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45))
        lines = [f"frame,timestamp,confidence,success,{units}"]
        lines += [f"{row},{row / 30:.3f},0.98,1" + f",{row % 5:.1f}" * 17 for row in range(rows)]
        accept = drawn.choice((JSON, CSV, PNG))
        answer = self._client.post(
            "/v1/action-units/affect",
            content="\n".join(lines).encode(),
            headers={"Accept": accept, "Content-Type": CSV},
        )
        return str(answer.status_code)

    def _seen(self, drawn: random.Random) -> str:
        return self._post("/v1/video/affect", self._video, drawn.choice((JSON, PNG)), include="action_units")

    def _stream(self, drawn: random.Random) -> str:
        pcm = self._clips[1][44:]
        with connect(f"ws://127.0.0.1:{self._port}/v1/stream/audio") as stream:
            stream.send(json.dumps({"type": "config", "sample_rate_hz": SAMPLE_RATE_HZ}))
            for begin in range(0, len(pcm), 16_000):
                stream.send(pcm[begin : begin + 16_000])
            if drawn.random() < 0.3:
                return "left"
            stream.send('{"type": "end"}')
            return f"{min(sum(1 for _ in stream), 2)} or more messages"

    def _job(self, drawn: random.Random) -> str:
        answer = self._client.post("/v1/jobs/audio-emotion", content=drawn.choice(self._clips))
        if answer.status_code != 202:
            return str(answer.status_code)
        place, state = answer.headers["location"], "queued"
        while state in ("queued", "running"):
            time.sleep(JOB_POLL_S)
            state = str(self._client.get(place).json().get("state"))
        self._client.get(f"{place}/result")
        return f"{state} {self._client.delete(place).status_code}"

    def _error(self, drawn: random.Random) -> str:
        if drawn.random() < 0.2:
            return str(self._client.get(f"/v1/models/{drawn.randrange(10**9)}").status_code)
        return self._post("/v1/audio/emotion", drawn.choice(BAD), window_s=drawn.choice(("2", "-1")))

    def _cut_upload(self, drawn: random.Random) -> str:
        clip = drawn.choice(self._clips)
        with self._begun(len(clip), JSON) as connection:
            connection.sendall(clip[: drawn.randrange(len(clip))])
        return "left"

    def _cut_answer(self, drawn: random.Random) -> str:
        clip = drawn.choice(self._clips)
        with self._begun(len(clip), drawn.choice((PNG, EVENTS))) as connection:
            connection.sendall(clip)
            if drawn.random() < 0.5:
                connection.recv(100)
        return "left"

    def _begun(self, size_bytes: int, accept: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=300)
        lines = (
            "POST /v1/audio/emotion HTTP/1.1",
            "Host: 127.0.0.1",
            f"Accept: {accept}",
            "Content-Type: audio/wav",
            f"Content-Length: {size_bytes}",
        )
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        return connection


def _video() -> bytes:
    """A short video: of a face where there is one, else of noise."""
    shared = os.environ.get("EMOSERVE_SHARED")
    if shared and (movie := Path(shared) / "media" / "single_face.mp4").is_file():
        return _beginning(movie, VIDEO_S)
    target, noise = io.BytesIO(), np.random.default_rng(440)
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=VIDEO_HZ)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(round(VIDEO_S * VIDEO_HZ)):
            picture = noise.integers(0, 256, (120, 160, 3), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return target.getvalue()


def _beginning(movie: Path, duration_s: float) -> bytes:
    """The first seconds of a video's pictures, as an MP4."""
    target = io.BytesIO()
    with av.open(str(movie)) as whole, av.open(target, "w", format="mp4") as output:
        (pictures,) = whole.streams.video
        copy = output.add_stream_from_template(pictures)
        for packet in whole.demux(pictures):
            if packet.dts is not None and packet.dts * packet.time_base < duration_s:
                packet.stream = copy
                output.mux(packet)
    return target.getvalue()


def soak(
    server: Server, requests: int, warm_up: int = WARM_UP, at_once: int = AT_ONCE, quiet_s: float = QUIET_S
) -> tuple[list[Look], Soak]:
    """Send ``warm_up`` requests, then ``requests`` more; quiet looks after the warm-up and each quarter."""
    one = Soak(server)
    looks: list[Look] = []
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one.run, range(warm_up)))
        time.sleep(quiet_s)
        looks.append(look(server.pid))
        for quarter in range(QUARTERS):
            first = warm_up + quarter * requests // QUARTERS
            list(pool.map(one.run, range(first, warm_up + (quarter + 1) * requests // QUARTERS)))
            time.sleep(quiet_s)
            looks.append(look(server.pid))
    return looks, one


def main(arguments: list[str]) -> int:
    """Run the soak and print it; 1 if a request was answered with 500."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, running_server(state_dir=folder) as server:
        looks, one = soak(server, chosen.requests, at_once=chosen.at_once)
    command = f"python -m benchmarks.soak --requests {chosen.requests}"
    for name, values in (
        ("memory", [each.memory_mib for each in looks]),
        ("descriptors", [each.descriptors for each in looks]),
        ("threads", [each.threads for each in looks]),
    ):
        emit(
            f"soak_{name}_growth",
            values[-1] / values[0],
            "ratio",
            ratio_of=f"after {chosen.requests} requests / after the warm-up",
            benchmark="soak",
            looks=values,
            command=command,
        )
    for outcome, count in sorted(one.outcomes.items()):
        sys.stdout.write(f"{count:6d}  {outcome}\n")
    return int(any("500" in outcome for outcome in one.outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
