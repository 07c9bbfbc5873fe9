"""Hours of media as jobs: how long they take, and what memory the service holds on the way.

``python -m benchmarks.long_jobs --video-hours 2 --frame-rate 15`` and ``… --sound-hours 10``. The video is
``media/single_face.mp4`` of the folder in ``EMOSERVE_SHARED`` again and again, with its sound. Files and spool need
a few GB in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.long_media import write_long_video, write_long_wav
from benchmarks.measurement import emit
from benchmarks.server import Server, running_server

MARKS = (0.1, 0.5, 1.0)
LOOK_S = 1.0


@dataclass
class _Memory:
    """Resident memory in MiB: of the service's process, and with its decoders, pages that they share counted once."""

    pid: int
    service: dict[float, float] = field(default_factory=dict)
    largest: float = 0.0
    largest_with_decoders: float = 0.0

    def look(self, progress: float) -> None:
        """Note what is held now, after ``progress`` of the work."""
        process = psutil.Process(self.pid)
        own = process.memory_info().rss / 2**20
        everybody = [process, *process.children(recursive=True)]
        self.largest = max(self.largest, own)
        shared_once = sum(one.memory_full_info().pss for one in everybody) / 2**20
        self.largest_with_decoders = max(self.largest_with_decoders, shared_once)
        for mark in MARKS:
            if progress >= mark:
                self.service.setdefault(mark, round(own, 1))


def measure(name: str, call: str, recording: Path, duration_s: float, **context: object) -> None:
    """Run one recording as a job of a service of its own, and print what it took."""
    with (
        tempfile.TemporaryDirectory(prefix="long-job-") as folder,
        running_server(state_dir=folder, job_upload_timeout_s="3600") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=600) as client,
    ):
        _measure(name, call, recording, duration_s, server, client, context)


def _measure(
    name: str,
    call: str,
    recording: Path,
    duration_s: float,
    server: Server,
    client: httpx.Client,
    context: dict[str, Any],
) -> None:
    _wait_for_jobs(client)
    memory = _Memory(server.pid)
    idle = psutil.Process(server.pid).memory_info().rss / 2**20
    began = time.perf_counter()
    with recording.open("rb") as content:
        answer = client.post(call, content=content, headers={"content-type": "application/octet-stream"})
    answer.raise_for_status()
    address, upload_s = answer.headers["location"], time.perf_counter() - began
    memory.look(0.0)
    job = client.get(address).json()
    shown = 0.0
    while job["state"] in ("queued", "running"):
        time.sleep(LOOK_S)
        job = client.get(address).json()
        memory.look(job["progress"])
        if job["progress"] - shown >= 0.01:
            shown = job["progress"]
            sys.stderr.write(f"{name} {shown:.2f} after {time.perf_counter() - began:.0f} s, {memory.service}\n")
    took_s = time.perf_counter() - began
    if job["state"] != "succeeded":
        raise RuntimeError(f"the job {job['state']}: {job['problem']}")
    result = client.get(f"{address}/result")
    result.raise_for_status()
    memory.look(1.0)
    emit(
        name,
        took_s,
        "s",
        benchmark="long_jobs",
        command=f"python -m benchmarks.long_jobs {' '.join(sys.argv[1:])}",
        media_s=duration_s,
        upload_s=round(upload_s, 1),
        upload_bytes=recording.stat().st_size,
        result_bytes=len(result.content),
        resident_idle_mebibytes=round(idle, 1),
        resident_at_mebibytes={f"{mark:.0%}": held for mark, held in memory.service.items()},
        resident_largest_mebibytes=round(memory.largest, 1),
        with_decoders_largest_mebibytes=round(memory.largest_with_decoders, 1),
        media=json.loads(result.content)["media"],
        **context,
    )


def _wait_for_jobs(client: httpx.Client) -> None:
    while client.get("/v1/jobs/" + "x" * 27).status_code == 503:
        time.sleep(0.1)


def main() -> None:
    """Make the recordings that are asked for and measure each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video-hours", type=float, default=0.0)
    parser.add_argument("--frame-rate", type=float, default=30.0, help="frames a second of the video")
    parser.add_argument("--sound-hours", type=float, default=0.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="long-media-") as folder:
        if asked.sound_hours:
            path = Path(folder) / "long.wav"
            write_long_wav(path, asked.sound_hours * 3600)
            measure("long_sound_job", "/v1/jobs/audio-emotion", path, asked.sound_hours * 3600)
            path.unlink()
        if asked.video_hours:
            path = Path(folder) / "long.mp4"
            movie = Path(os.environ["EMOSERVE_SHARED"]) / "media" / "single_face.mp4"
            write_long_video(path, movie, asked.video_hours * 3600, asked.frame_rate)
            measure("long_video_job", "/v1/jobs/video-affect", path, asked.video_hours * 3600)


if __name__ == "__main__":
    main()
