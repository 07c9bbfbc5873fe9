"""Human speech through the whole service: containers, speakers, answers of every kind."""

import csv
import io

import httpx
import numpy as np
import onnxruntime
import pytest
import soundfile

from export.corpora.tables import read_corpus
from tests import media_files as files
from tests.shared_material import ROOT, corpus_folder, shared_file
from tests.support.tiny_services import serving_project


@pytest.fixture(scope="module")
def client():
    with (
        serving_project(device="auto", limits={"max_body_bytes": 2**25}) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client


def speech(corpus: str, number: int):
    """One recording: its bytes, and its samples float32 [1, n] at 48 kHz."""
    utterance = read_corpus(corpus_folder(corpus)).utterances[number]
    samples, rate_hz = soundfile.read(utterance.audio, dtype="float32")
    grid = np.arange(0, len(samples) - 1, rate_hz / 48_000)
    return utterance.audio.read_bytes(), np.interp(grid, np.arange(len(samples)), samples).astype(np.float32)[None]


@pytest.mark.parametrize("model", ["ge2e-open", "ge2e-research", "emonet-open", "emonet-research"])
@pytest.mark.parametrize("corpus", ["emodb4", "emodb7", "ravdess", "nemo"])
def test_speakers_of_every_corpus_are_answered(client, corpus, model):
    for number in (0, 100, 200):
        body, _ = speech(corpus, number)
        answer = client.post("/v1/audio/emotion", content=body, params={"model": model, "timeline": True})
        assert answer.status_code == 200
        result = answer.json()
        assert result["model"]["name"] == model
        assert sum(result["probabilities"]) == pytest.approx(1.0, abs=1e-4)
        assert result["emotion"] == result["labels"][int(np.argmax(result["probabilities"]))]
        assert -1 <= result["arousal"] <= 1
        assert -1 <= result["valence"] <= 1
        assert len(result["timeline"]["start_s"]) == len(result["timeline"]["probabilities"]["anger"])


def test_the_network_in_integers_answers_as_the_default(client):
    for number in (0, 100, 200):
        body, _ = speech("emodb7", number)
        params = ({"model": model, "timeline": True} for model in ("ge2e-open", "ge2e-open-int8"))
        full, whole = (client.post("/v1/audio/emotion", content=body, params=one).json() for one in params)
        assert whole["emotion"] == full["emotion"]
        assert whole["probabilities"] == pytest.approx(full["probabilities"], abs=0.05)
        assert whole["probabilities"] != full["probabilities"]


@pytest.mark.parametrize("media_type", ["application/json", "text/csv"])
def test_embeddings_are_those_of_the_graph(client, media_type):
    recordings = [utterance.audio for utterance in read_corpus(corpus_folder("emodb7")).utterances[:2]]
    clips, rates_hz = zip(*(soundfile.read(recording, dtype="float32") for recording in recordings), strict=True)
    assert set(rates_hz) == {16_000}
    samples = np.concatenate(clips)
    answer = client.post(
        "/v1/audio/embedding",
        content=files.wav(samples[None], 16_000),
        params={"model": "emonet-open", "window_s": 1.0, "hop_s": 0.5},
        headers={"accept": media_type},
    )
    if media_type == "text/csv":
        table = np.array(list(csv.reader(io.StringIO(answer.text)))[1:], np.float32)
        starts_s, rows = table[:, 0], table[:, 2:]
    else:
        starts_s, rows = answer.json()["timeline"]["start_s"], np.array(answer.json()["embedding"], np.float32)
    graph = onnxruntime.InferenceSession(ROOT / "models/emonet-open/2/emonet.onnx")
    stored = np.round(samples * 32768).clip(-32768, 32767).astype(np.float32) / 32768
    assert len(rows) == len(starts_s) > 5
    for start_s, row in list(zip(starts_s, rows, strict=True))[:-1]:  # the last one begins between milliseconds
        window = stored[None, round(start_s * 16_000) :][:, :16_000]
        (wanted,) = graph.run(["embedding"], {"waveform": window, "lengths": np.array([16_000])})
        np.testing.assert_allclose(row, wanted[0], atol=1e-5)


def test_the_container_hardly_matters(client):
    _, samples = speech("emodb4", 5)
    plain = client.post("/v1/audio/emotion", content=files.wav(samples, 48_000)).json()
    makers = (files.flac, files.ogg_opus, files.mp3, files.m4a, files.mov, files.webm)
    for maker in makers:
        rate_hz = 48_000
        answer = client.post("/v1/audio/emotion", content=maker(samples, rate_hz)).json()
        difference = np.abs(np.subtract(answer["probabilities"], plain["probabilities"])).max()
        assert difference < (1e-3 if maker is files.flac else 0.3), maker.__name__
        assert abs(answer["media"]["duration_s"] - plain["media"]["duration_s"]) < 0.15


def test_channels_are_told_apart(client):
    _, left = speech("emodb4", 0)
    _, right = speech("ravdess", 100)
    length = min(left.shape[1], right.shape[1])
    stereo = files.wav(np.concatenate([left[:, :length], right[:, :length]]), 48_000)
    alone = [client.post("/v1/audio/emotion", content=files.wav(x[:, :length], 48_000)).json() for x in (left, right)]
    each = client.post("/v1/audio/emotion", content=stereo, params={"channel": "each"}).json()
    for channel, expected in zip(each["channels"], alone, strict=True):
        np.testing.assert_allclose(channel["probabilities"], expected["probabilities"], atol=1e-3)
    only = client.post("/v1/audio/emotion", content=stereo, params={"channel": "right"}).json()
    np.testing.assert_allclose(only["probabilities"], alone[1]["probabilities"], atol=1e-3)


def test_a_clip_gets_the_same_answer_among_others(client):
    """Windows of a long recording are those of its parts: what runs beside a window does not touch it."""
    _, samples = speech("emodb4", 0)
    long = np.concatenate([samples[:, :96_000], np.tile(samples, 5)], axis=1)[:, : 48_000 * 9]
    options = {"timeline": True, "window_s": 3, "hop_s": 3}
    whole = client.post("/v1/audio/emotion", content=files.wav(long, 48_000), params=options).json()["timeline"]
    for index, start_s in enumerate((0, 3, 6)):
        options = {"start_s": start_s, "end_s": start_s + 3}
        part = client.post("/v1/audio/emotion", content=files.wav(long, 48_000), params=options).json()
        row = [column[index] for column in whole["probabilities"].values()]
        np.testing.assert_allclose(row, part["probabilities"], atol=2e-3)


def test_csv_and_png_say_the_same(client):
    body, _ = speech("ravdess", 3)
    document = client.post("/v1/audio/emotion", content=body, params={"timeline": True}).json()
    table = client.post("/v1/audio/emotion", content=body, headers={"Accept": "text/csv"}).text
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [float(row["anger"]) for row in rows] == document["timeline"]["probabilities"]["anger"]
    picture = client.post("/v1/audio/emotion", content=body, headers={"Accept": "image/png"})
    assert picture.headers["content-type"] == "image/png"
    assert len(picture.content) > 20_000


def test_the_sound_track_of_a_video_is_heard(client):
    movie = shared_file("media/single_face.mp4")
    answer = client.post("/v1/audio/emotion", content=movie.read_bytes(), headers={"Content-Type": "video/mp4"})
    assert answer.status_code == 200
    assert answer.json()["media"]["container"] == "mp4"
    assert answer.json()["flags"] == ["no_speech"], "nobody speaks in this clip"
