"""Hostile media over a real socket against the whole service: decoder, model and renderers."""

from __future__ import annotations

import time

import httpx
import numpy as np
import psutil
import pytest

from tests import media_files as files
from tests.shared_material import ROOT
from tests.support.live_server import serving_models, small_settings

MIB = 1024 * 1024
MAX_ANSWER_S = 15.0
MAX_GROWTH_BYTES = 160 * MIB
TONE = files.tone(2.0)
MOVIE = files.m4a(TONE)
GOOD = files.wav(TONE)

ROWS = {
    "40 empty file part": (b"", {"media_empty", "body_missing"}),
    "41 RIFF only": (b"RIFF", {"media_truncated"}),
    "42 no samples": (files.wav(TONE[:, :0]), {"media_empty"}),
    "50 all NaN": (files.wav(np.full((1, 8000), np.nan, np.float32), codec="pcm_f32le"), {"samples_not_finite"}),
    "51 infinite": (files.wav(np.full((1, 8000), np.inf, np.float32), codec="pcm_f32le"), {"samples_not_finite"}),
    "52 odd trailing byte": (GOOD + b"\0", {None}),
    "54 ten milliseconds": (files.wav(files.tone(0.01)), {"media_too_short"}),
    "55 silence": (files.wav(np.zeros((1, 16_000), np.float32)), {None}),
    "55 square": (files.wav(np.sign(files.tone(1.0))), {None}),
    "57 flac bomb": (files.flac_silence(90 * 60), {"media_too_long"}),
    "59 header claims 10^6 s": (files.claiming_duration(MOVIE, 1e6), {None}),
    "60 video only": (files.video_only_mp4(), {"no_audio_stream"}),
    "61 sound only": (MOVIE, {None}),
    "66 cut in the middle": (MOVIE[: len(MOVIE) // 2], {"media_truncated", "media_invalid"}),
    "69 tags of stray bytes": (files.mp3(TONE).replace(b"TSSE", b"T\xff\xfe\xfd", 1), {None}),
    "70 HLS playlist": (files.playlist(b"http://127.0.0.1:9/x.ts"), {"container_unsupported"}),
    "71 concat script": (files.concat_script(b"/etc/passwd"), {"container_unsupported"}),
    "74 external reference": (files.with_external_reference(MOVIE), {"media_external_reference"}),
    "75 PDF": (b"%PDF-1.7\n" + bytes(500), {"container_unsupported"}),
    "75 HTML before wav": (b"<html>" + GOOD, {"container_unsupported"}),
    "75 program": (b"MZ" + bytes(500), {"container_unsupported"}),
}
ROWS |= {f"68 flipped {seed}": (files.flipped(MOVIE, seed), None) for seed in range(12)}


@pytest.fixture(scope="module")
def service():
    settings = small_settings(model_dirs=[ROOT / "models", ROOT / "var/models"])
    with serving_models(settings) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        process = psutil.Process()
        assert client.post("/v1/audio/emotion", content=GOOD).status_code == 200
        before_bytes, descriptors = process.memory_info().rss, process.num_fds()
        yield client
        assert process.memory_info().rss - before_bytes < MAX_GROWTH_BYTES
        assert process.num_fds() <= descriptors + 4


@pytest.mark.parametrize("row", ROWS)
def test_hostile_media_get_their_answer_and_the_service_goes_on(service, row):
    body, codes = ROWS[row]
    began = time.monotonic()
    answer = service.post("/v1/audio/emotion", files={"file": ("recording", body)})
    assert time.monotonic() - began < MAX_ANSWER_S
    assert answer.status_code in {200, 413, 415, 422}
    code = answer.json().get("code")
    if codes is not None:
        assert code in codes
    if code is not None:
        assert answer.headers["content-type"] == "application/problem+json"
    assert service.get("/v2/health/ready").status_code == 200
    assert service.post("/v1/audio/emotion", content=GOOD).status_code == 200


@pytest.mark.parametrize("row", [row for row, (_, codes) in ROWS.items() if codes is not None])
def test_hostile_media_get_the_same_answer_from_embeddings(service, row):
    body, codes = ROWS[row]
    answer = service.post("/v1/audio/embedding", files={"file": ("recording", body)})
    assert answer.status_code in {200, 413, 415, 422}
    assert answer.json().get("code") in codes
    assert service.post("/v1/audio/embedding", content=GOOD).status_code == 200


def test_silence_has_no_embedding(service):
    answer = service.post("/v1/audio/embedding", content=ROWS["55 silence"][0]).json()
    assert answer["embedding"] == [None]
    assert answer["flags"] == ["silent"]
    assert answer["dimensions"] > 1


def test_silence_is_null_and_flagged(service):
    answer = service.post("/v1/audio/emotion", content=ROWS["55 silence"][0], params={"timeline": True}).json()
    assert answer["probabilities"] is None
    assert answer["emotion"] is None
    assert "silent" in answer["flags"]
    assert answer["timeline"]["arousal"] == [None]
