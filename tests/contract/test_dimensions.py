"""A model of arousal, dominance and valence alone: every kind of answer tells these, and no emotion."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from emoserve_client import Emoserve
from playwright.sync_api import Browser, expect

from emoserve import Analyzer
from emoserve.__main__ import main
from service.jobs.spool import Spool
from service.pipeline.audio_options import AudioOptions
from service.registry import BundleError
from tests.contract.page_probes import analyse
from tests.plain_wav import tone, wav
from tests.support.browser import watched_page
from tests.support.live_server import LiveServer, small_settings
from tests.support.long_recordings import run_job
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_tiny, tiny_services
from tests.tiny_models import speech_model, write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.test_long_audio import Built

SOUND = (tone(2.3, amplitude=0.6) + 0.3).astype(np.float32)
AROUSAL, VALENCE = np.tanh(np.mean(SOUND**2)), np.tanh(np.mean(SOUND))
EMOTION = "/v1/audio/emotion"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder, "plane", labels=(), max_length_s=10.0)
    write_voice_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[LiveServer]:
    with serving_tiny(models, threads=2) as server:
        yield server


def ask(server: LiveServer, accept: str = "application/json", **query: str) -> httpx.Response:
    headers = {"Content-Type": "audio/wav", "Accept": accept}
    return httpx.post(f"{server.url}{EMOTION}", params=query, content=wav(SOUND), headers=headers)


def test_an_answer_has_dimensions_and_no_emotion(server: LiveServer) -> None:
    answer = ask(server, timeline="true", segments="true", channel="each").json()
    assert (answer["labels"], answer["probabilities"], answer["by_label"], answer["emotion"]) == ([], [], {}, None)
    told = [answer[name] for name in ("arousal", "valence", "dominance")]
    assert told == pytest.approx([AROUSAL, VALENCE, -VALENCE], abs=0.02)
    assert answer["channels"][0]["dominance"] == answer["dominance"]
    for rows in (answer["timeline"], answer["channels"][0]["segments"]):
        assert rows["probabilities"] == {}
        known = [value for value in rows["dominance"] if value is not None]
        assert known == pytest.approx([-value for value in rows["valence"] if value is not None], abs=1e-6)
        assert known
    assert answer["flags"] == []


def test_silence_has_no_dimensions(server: LiveServer) -> None:
    answer = httpx.post(f"{server.url}{EMOTION}", content=wav(0 * SOUND), headers={"Content-Type": "audio/wav"}).json()
    assert (answer["probabilities"], answer["arousal"], answer["dominance"]) == (None, None, None)
    assert "no_speech" in answer["flags"]


def test_every_form_is_there(server: LiveServer) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(server, "text/csv", timeline="true").text)))
    assert {row["emotion"] for row in rows} == {""}
    assert max(float(row["arousal"] or -1) for row in rows) == pytest.approx(AROUSAL, abs=0.05)
    (utterance,) = csv.DictReader(io.StringIO(ask(server, "text/csv", segments="true").text))
    for row in (*rows, utterance):
        assert list(row)[-2:] == ["flags", "dominance"]
        assert float(row["dominance"] or 0) == pytest.approx(-float(row["valence"] or 0), abs=1e-6)
    assert utterance["dominance"]
    for query in ({}, {"timeline": "true"}, {"segments": "true"}, {"window_s": "3"}):
        assert ask(server, "image/png", **query).content.startswith(b"\x89PNG")
    observation = ask(server, "application/fhir+json")
    assert observation.status_code == 200
    assert "arousal" in observation.text
    assert "Dominance of the voice" in observation.text
    assert "Probability of" not in observation.text
    *_, last = [line for line in ask(server, "text/event-stream").text.splitlines() if line.startswith("data: ")]
    assert json.loads(last.removeprefix("data: "))["dominance"] == pytest.approx(-VALENCE, abs=0.02)


def test_the_code_system_explains_dominance(server: LiveServer) -> None:
    codes = httpx.get(f"{server.url}/v1/fhir/CodeSystem/emoserve").json()["concept"]
    assert {"dominance", "speech-dominance"} <= {code["code"] for code in codes}


def test_a_prior_needs_classes(server: LiveServer) -> None:
    problem = ask(server, prior="uniform").json()
    assert (problem["status"], problem["errors"][0]["pointer"]) == (422, "/prior")


def test_streams_jobs_client_and_program_tell_the_same(
    server: LiveServer, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StreamClient(server) as client:
        client.begin(segments=True)
        client.send(pcm(SOUND))
        *windows, closed = client.end()
    assert closed["answer"]["dominance"] == pytest.approx(-VALENCE, abs=0.02)
    judged = [window for window in windows if window["type"] == "window"]
    assert {window["emotion"] for window in judged} == {None}
    assert all(window["by_label"] == window["probabilities"] for window in windows)
    assert judged[0]["dominance"] == pytest.approx(-judged[0]["valence"], abs=1e-6)
    assert all("dominance" in window for window in windows if window["type"] == "segment")
    built = Built(models)
    try:
        answer, _ = run_job(built.plans, AudioOptions(), wav(SOUND), Spool(tmp_path / "spool"))
    finally:
        built.close()
    assert answer.channels[0].dominance == pytest.approx(-VALENCE, abs=0.02)
    with Emoserve(server.url) as client:
        assert client.audio_emotion(wav(SOUND)).dominance == pytest.approx(-VALENCE, abs=0.02)
    for name in ("tone.wav", "more.wav"):
        (tmp_path / name).write_bytes(wav(SOUND))
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", json.dumps([str(models)]))
    monkeypatch.setenv("EMOSERVE_DEVICE", "cpu")
    for more in ([], ["--timeline"], ["--segments"], ["--json"], ["--csv"], [str(tmp_path / "more.wav")]):
        assert main(["analyze", str(tmp_path / "tone.wav"), *more]) == 0, more
        assert "+0.2" in (told := capsys.readouterr().out) or "0.2" in told
        assert "dominance" in told
        assert f"−{VALENCE:.2f}" in told or f"-{VALENCE:.2f}" in told


def test_files_of_every_form_hold_rows_of_dominance(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import parquet

    sound = tmp_path / "tone.wav"
    sound.write_bytes(wav(SOUND))
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", json.dumps([str(models)]))
    monkeypatch.setenv("EMOSERVE_DEVICE", "cpu")
    with Analyzer(model_dirs=[models], device="cpu") as analyzer:
        windows, utterances = (analyzer.audio(sound, segments=segments).to_frame() for segments in (False, True))
    for frame in (windows, utterances):
        assert frame["dominance"].dropna().tolist() == pytest.approx((-frame["valence"].dropna()).tolist(), abs=1e-6)
        assert frame["dominance"].notna().any()
    assert main(["analyze", str(sound), "--format", "jsonl", "--timeline", "--segments"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert line["dominance"] == pytest.approx(-VALENCE, abs=0.02)
    for name, frame in (("timeline", windows), ("segments", utterances)):
        assert line[name]["dominance"] == [None if np.isnan(one) else one for one in frame["dominance"]], name
    for flags, told in (([], None), (["--timeline"], windows), (["--segments"], utterances)):
        folder = tmp_path / "".join(["parts", *flags])
        assert main(["analyze", str(sound), "--format", "parquet", "--output", str(folder), *flags]) == 0
        (part,) = folder.glob("voice-*.parquet")
        column = parquet.read_table(part)["dominance"].to_pylist()
        wanted = (
            [line["dominance"]]
            if told is None
            else line["segments" if flags == ["--segments"] else "timeline"]["dominance"]
        )
        assert column == pytest.approx(wanted, abs=1e-6)
    (value,) = utterances["dominance"]
    for form, suffix, mark in (("textgrid", ".TextGrid", 'name = "dominance"'), ("eaf", ".eaf", 'TIER_ID="dominance"')):
        assert main(["analyze", str(sound), "--format", form, "--output", str(tmp_path / form)]) == 0
        (written,) = (tmp_path / form).glob(f"*{suffix}")
        assert f"{value:+.2f}" in written.read_text("utf-8").partition(mark)[2]


def test_a_model_without_classes_needs_arousal_and_valence(tmp_path: Path) -> None:
    write_speech_bundle(tmp_path, "nothing", labels=(), model=speech_model(0, dimensions=False, dominance=False))
    services = tiny_services(small_settings(model_dirs=[tmp_path], device="cpu"))
    with pytest.raises(BundleError, match="no classes, and no arousal and valence either"):
        services.loaded.pipeline.warm_up()


def test_the_page_shows_dimensions_where_there_are_no_classes(
    browser: Browser, server: LiveServer, tmp_path: Path
) -> None:
    (tmp_path / "tone.wav").write_bytes(wav(SOUND))
    with watched_page(browser, server.url) as watched:
        analyse(watched.page, tmp_path / "tone.wav")
        verdict = watched.page.locator(".verdict")
        expect(verdict).to_contain_text("Arousal")
        expect(verdict).to_contain_text(f"Dominance−{VALENCE:.2f}")
        expect(verdict).not_to_contain_text("Nothing to judge")
        expect(watched.page.locator("main")).to_contain_text("Arousal, valence and dominance of the voice")
        expect(watched.page.locator("main")).not_to_contain_text("Emotion of the voice")
