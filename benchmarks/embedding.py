"""Deep Spectrum features of a corpus: files a second by ``emoserve-export features`` and by the service's call.

Both read the same recordings with the same SqueezeNet bundle, in turn, each warm and in one process. The service
decodes in processes of their own and answers JSON; enough callers wait that it is never idle. Recordings and weights
are those of the folder in ``EMOSERVE_SHARED``; without them a synthetic voice and random weights.
"""

import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import soundfile

from benchmarks.deep_spectrum import SAMPLE_RATE_HZ, weights_of
from benchmarks.measurement import emit
from benchmarks.pictures import speech
from benchmarks.server import Server, running_server
from export.cli.common import available_threads
from export.corpora.recordings import read_recordings
from export.corpora.tables import Corpus
from export.deep_spectrum.bundle import ExtractorBundle, bundle_name, write_extractor_bundle
from export.features.extraction import Cut, extract
from export.features.extractors import BundleExtractor

NETWORK, PRESET = "squeezenet", "emonet-2021"
REPEATS = 4
"""Copies of each recording in the corpus."""
ROUNDS = 3
CALLERS = 4


def by_command(extractor: BundleExtractor, corpus: Corpus) -> float:
    """Files a second of what ``emoserve-export features`` runs."""
    began = time.perf_counter()
    table = extract(extractor, [corpus], Cut(), [], available_threads())
    return len(table) / (time.perf_counter() - began)


def by_service(server: Server, bodies: Sequence[bytes]) -> float:
    """Files a second of ``POST /v1/audio/embedding``."""
    address = f"http://127.0.0.1:{server.port}/v1/audio/embedding?model={bundle_name(NETWORK)}"

    def post(body: bytes) -> int:
        request = urllib.request.Request(address, body, {"Content-Type": "audio/wav"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return len(json.load(answer)["embedding"])

    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        rows = list(pool.map(post, bodies))
    return len(rows) / (time.perf_counter() - began)


def run() -> None:
    """Measure and print."""
    source, clips = speech()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for place, clip in enumerate(clips * REPEATS):
            (folder / "speech").mkdir(exist_ok=True)
            soundfile.write(folder / f"speech/{place:04d}.wav", clip, SAMPLE_RATE_HZ)
        bundle = write_extractor_bundle(weights_of(NETWORK), ExtractorBundle(PRESET), folder / "models", clips[:3])
        corpus, extractor = read_recordings(folder / "speech"), BundleExtractor(bundle, "cpu")
        bodies = [utterance.audio.read_bytes() for utterance in corpus.utterances if utterance.audio is not None]
        os.environ["EMOSERVE_MODEL_DIRS"] = json.dumps([str(folder / "models")])
        rates: dict[str, list[float]] = {"command": [], "service": []}
        with running_server() as server:
            by_service(server, bodies[: len(clips)])  # warm
            for _ in range(ROUNDS):
                rates["command"].append(by_command(extractor, corpus))
                rates["service"].append(by_service(server, bodies))
    command, service = (statistics.median(rates[name]) for name in ("command", "service"))
    about: dict[str, Any] = {
        "benchmark": "embedding",
        "data": f"{len(bodies)} recordings of {source}",
        "mean_duration_s": round(sum(map(len, clips)) / len(clips) / SAMPLE_RATE_HZ, 2),
    }
    emit("embedding_command", command, "files a second", **about)
    emit("embedding_service", service, "files a second", callers=CALLERS, **about)
    emit("embedding_ratio", service / command, "", ratio_of="service over command, same recordings", **about)
