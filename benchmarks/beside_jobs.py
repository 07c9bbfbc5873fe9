"""Latency of short clips alone, and while a long recording is worked on as a job of the same service.

Clips are utterances of emodb7, ravdess and nemo of the folder in ``EMOSERVE_SHARED``, as their files are, at a constant
rate whether or not earlier ones were answered. The job's recording is an hour of the same utterances. Both are
measured in turn, so that the machine's drift falls on both; the driver runs on the same cores.
"""

import asyncio
import os
import sys
import tempfile
import time
import wave
from pathlib import Path

import httpx
import numpy as np

from benchmarks.clips import SAMPLE_RATE_HZ
from benchmarks.load import LoadResult, open_loop
from benchmarks.measurement import emit
from benchmarks.server import Server, running_server
from export.corpora.audio import read_waveform
from export.corpora.tables import read_corpus

CORPORA = ("emodb7", "ravdess", "nemo")
CLIPS_A_CORPUS = 16
RECORDING_S = 3600.0
REQUESTS_PER_S = 2.0
ROUND_S = 20.0
ROUNDS = 4
UNFINISHED = ("queued", "running")


def run() -> None:
    """Measure and print."""
    folder = Path(os.environ.get("EMOSERVE_SHARED", "../shared")) / "corpora"
    if not all((folder / name).is_dir() for name in CORPORA):
        sys.stderr.write(f"beside-jobs: not measured, {folder} has not all of {', '.join(CORPORA)}\n")
        return
    files = [file for name in CORPORA for file in _chosen(folder / name)]
    clips = [(0.0, file.read_bytes()) for file in files]
    alone, beside = LoadResult(), LoadResult()
    with tempfile.TemporaryDirectory(prefix="beside-jobs-") as work:
        recording = Path(work) / "long.wav"
        _write_long(recording, files)
        with (
            running_server(state_dir=f"{work}/state") as server,
            httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=600) as client,
        ):
            _load(server, clips, LoadResult())  # what is slow once
            for _ in range(ROUNDS):
                _load(server, clips, alone)
                job = _begin(client, recording)
                _load(server, clips, beside)
                _end(client, job)
    _print(alone, beside)


def _chosen(folder: Path) -> list[Path]:
    files = [utterance.audio for utterance in read_corpus(folder).utterances if utterance.audio is not None]
    return files[:: max(1, len(files) // CLIPS_A_CORPUS)][:CLIPS_A_CORPUS]


def _write_long(path: Path, files: list[Path]) -> None:
    samples = np.concatenate([read_waveform(file, SAMPLE_RATE_HZ) for file in files])
    turn = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for _ in range(round(RECORDING_S * SAMPLE_RATE_HZ / len(samples))):
            file.writeframes(turn)


def _load(server: Server, clips: list[tuple[float, bytes]], result: LoadResult) -> None:
    """Send clips for one round, and add what it gave to ``result``."""
    measured = asyncio.run(open_loop(server.port, clips, REQUESTS_PER_S, ROUND_S))
    if measured.failures:
        raise RuntimeError(f"requests failed: {measured.failures}")
    result.latencies_s += measured.latencies_s


def _begin(client: httpx.Client, recording: Path) -> str:
    """Address of a job that is being worked on."""
    with recording.open("rb") as content:
        answer = client.post("/v1/jobs/audio-emotion", content=content, headers={"content-type": "audio/wav"})
    answer.raise_for_status()
    address = str(answer.headers["location"])
    while client.get(address).json()["state"] == "queued":
        time.sleep(0.05)
    return address


def _end(client: httpx.Client, job: str) -> None:
    if client.get(job).json()["state"] not in UNFINISHED:
        raise RuntimeError("the job ended before the clips did")
    client.delete(job).raise_for_status()
    while client.get(job).json()["state"] in UNFINISHED:
        time.sleep(0.05)


def _print(alone: LoadResult, beside: LoadResult) -> None:
    for percent in (50, 95):
        for name, result in (("alone", alone), ("beside_a_job", beside)):
            emit(
                f"short_clip_{name}_p{percent}",
                result.percentile_s(percent),
                "s",
                benchmark="beside-jobs",
                requests=len(result.latencies_s),
                requests_per_s=REQUESTS_PER_S,
            )
        emit(
            f"short_clip_beside_a_job_over_alone_p{percent}",
            beside.percentile_s(percent) / alone.percentile_s(percent),
            "ratio",
            ratio_of="p50 or p95 of the latency of the same clips without a job",
            benchmark="beside-jobs",
        )
