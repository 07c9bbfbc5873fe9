"""Voice activity: shares of windows, state handed on between chunks and pieces, and the publisher's own graph."""

import importlib.util
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.voice_activity import bundle as voice_activity
from export.voice_activity import source
from service.pipeline.device.session import Session
from service.pipeline.speech import voice_activity as speech_module
from service.pipeline.speech.voice_activity import VoiceActivity, VoiceListener
from service.pipeline.speech.windows import Windows
from service.registry import BundleError, Registry
from service.settings import Settings
from tests.plain_wav import tone
from tests.shared_material import SHARED
from tests.support.long_recordings import pieces
from tests.tiny_models import speech_model, voice_model, write_voice_bundle

SPOKEN = Path(SHARED, "corpora", "emodb7")


def voice_of(folder) -> VoiceActivity:
    (bundle,) = Registry.load(Settings(model_dirs=[folder])).of_task("voice-activity")
    return VoiceActivity(bundle, Session(bundle.path(), device="cpu"))


def listen(voice, samples, rate_hz=16000, cuts=()) -> tuple[np.ndarray, VoiceListener]:
    """The steps of a recording that comes in pieces, and the listener at its end."""
    listener = VoiceListener(voice, rate_hz)
    blocks = [samples[piece] for piece in pieces(len(samples), cuts)]
    found = [
        listener.take(block, lambda chunk: voice.run([chunk])[0], last=number == len(blocks) - 1).is_speech
        for number, block in enumerate(blocks)
    ]
    return np.concatenate(found), listener


def share(listener: VoiceListener, start: int, end: int, rate_hz: int = 16000) -> float:
    return float(listener.shares(Windows(np.array([start]), end - start, rate_hz))[0])


@pytest.fixture
def tiny(tmp_path):
    write_voice_bundle(tmp_path)
    return voice_of(tmp_path)


@given(
    steps=st.lists(st.booleans(), min_size=1, max_size=40),
    forgotten=st.integers(0, 50_000),
    cuts=st.lists(st.integers(0, 20_480), max_size=5),
    data=st.data(),
)
def test_shares_are_those_of_the_samples_whatever_was_forgotten(loud, steps, forgotten, cuts, data):
    samples = np.repeat(np.asarray(steps, np.float32), 512)
    found, listener = listen(loud, samples, cuts=cuts)
    assert found.tolist() == steps
    start = data.draw(st.integers(0, len(samples) - 1))
    end = data.draw(st.integers(start + 1, len(samples)))
    before = share(listener, start, end)
    assert before == pytest.approx(samples[start:end].mean(), abs=1e-6)
    listener.forget(min(forgotten, start))
    assert share(listener, start, end) == before


@pytest.fixture(scope="module")
def loud(tmp_path_factory):
    """Voice activity that hears every step for itself."""
    folder = tmp_path_factory.mktemp("voice")
    write_voice_bundle(folder, model=voice_model(frame=512), context_samples=0)
    return voice_of(folder)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 48000])
def test_loud_sound_is_speech_and_a_pause_is_not(tiny, rate_hz):
    samples = np.concatenate([tone(1.0, rate_hz), np.zeros(rate_hz, np.float32)])
    steps, listener = listen(tiny, samples, rate_hz, cuts=[7, rate_hz // 3, rate_hz + 5])
    assert len(steps) == 63
    assert tiny.step_s == pytest.approx(0.032)
    spans = [(0.0, 0.95, 1.0), (1.05, 2.0, 0.0), (0.0, 2.0, 0.5)]
    for start_s, end_s, expected in spans:
        found = share(listener, round(start_s * rate_hz), round(end_s * rate_hz), rate_hz)
        assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("samples", [1, 511, 512, 513])
def test_the_last_step_is_filled_up(tiny, samples):
    steps, listener = listen(tiny, np.ones(samples, np.float32), cuts=[300])
    assert len(steps) == -(-samples // 512)
    assert listener.known_samples >= samples


@pytest.mark.parametrize("cuts", [[], [1, 600, 601, 2500]])
def test_frames_overlap_by_the_context_and_the_state_goes_on(tiny, monkeypatch, cuts):
    monkeypatch.setattr(speech_module, "CHUNK_STEPS", 3)
    samples = np.arange(512 * 7, dtype=np.float32)
    seen = []

    def run_chunk(chunk):
        seen.append(chunk)
        return tiny.run([chunk])[0]

    listener = VoiceListener(tiny, 16000)
    for piece in pieces(len(samples), cuts):
        listener.take(samples[piece], run_chunk, last=piece.stop == len(samples))
    if not cuts:
        assert [len(chunk.frames) for chunk in seen] == [3, 3, 1]
    assert [chunk.h[0, 0, 0] for chunk in seen] == list(range(len(seen)))
    frames = np.concatenate([chunk.frames for chunk in seen])
    np.testing.assert_array_equal(frames[:, 64:].ravel(), samples)
    np.testing.assert_array_equal(frames[0, :64], np.zeros(64))
    np.testing.assert_array_equal(frames[1:, :64], frames[:-1, -64:])


def test_graph_or_card_of_another_kind_is_refused(tmp_path):
    write_voice_bundle(tmp_path / "a", model=speech_model())
    with pytest.raises(BundleError, match="tiny-voice/1: its inputs are 'waveform', 'lengths'"):
        voice_of(tmp_path / "a")
    write_voice_bundle(tmp_path / "b", threshold="half")
    with pytest.raises(BundleError, match="is not a number"):
        voice_of(tmp_path / "b")


needs_publisher = pytest.mark.skipif(
    importlib.util.find_spec("silero_vad") is None, reason="the package silero-vad is not installed"
)


@needs_publisher
def test_publishers_bundle_is_whole_and_made_without_torch(tmp_path):
    modules = set(sys.modules)
    folder = voice_activity.write_voice_activity_bundle(tmp_path)
    assert not {"torch", "silero_vad"} & (set(sys.modules) - modules)
    (bundle,) = Registry.load(Settings(model_dirs=[tmp_path])).bundles
    assert bundle.folder == folder
    assert (bundle.card.licence.spdx, bundle.card.licence.attribution) == ("MIT", "Silero Team")


@needs_publisher
def test_publishers_graph_in_chunks_answers_as_in_one_run(tmp_path, monkeypatch):
    voice_activity.write_voice_activity_bundle(tmp_path)
    voice = voice_of(tmp_path)
    noise = np.random.default_rng(440).normal(0, 0.1, 16000 * 4).astype(np.float32)
    probabilities = []

    def run_chunk(chunk):
        answer = voice.run([chunk])[0]
        probabilities.append(answer.probabilities)
        return answer

    VoiceListener(voice, 16000).take(noise, run_chunk, last=True)
    (whole,) = probabilities
    probabilities.clear()
    monkeypatch.setattr(speech_module, "CHUNK_STEPS", 10)
    VoiceListener(voice, 16000).take(noise, run_chunk, last=True)
    assert len(probabilities) == 13
    np.testing.assert_allclose(np.concatenate(probabilities), whole, atol=1e-6)


@needs_publisher
def test_publishers_graph_hears_no_speech_in_tones_and_silence(tmp_path):
    voice_activity.write_voice_activity_bundle(tmp_path)
    voice = voice_of(tmp_path)
    for samples in (np.zeros(32000, np.float32), tone(2.0)):
        assert listen(voice, samples)[0].mean() < 0.1


@needs_publisher
def test_publishers_graph_hears_real_speech(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    recordings = sorted(SPOKEN.glob("**/*.flac"))[:5]
    if not recordings:
        pytest.skip(f"no spoken recordings below {SPOKEN}; set EMOSERVE_SHARED")
    voice_activity.write_voice_activity_bundle(tmp_path)
    voice = voice_of(tmp_path)
    for recording in recordings:
        samples, rate_hz = soundfile.read(recording, dtype="float32")
        assert listen(voice, samples, rate_hz)[0].mean() > 0.5


@needs_publisher
def test_the_publishers_licence_lies_beside_its_graph(tmp_path):
    folder = voice_activity.write_voice_activity_bundle(tmp_path)
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    Registry.load(Settings(model_dirs=[tmp_path]))


@needs_publisher
def test_another_release_of_the_publishers_graph_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "GRAPH_SHA256", "0" * 64)
    with pytest.raises(source.SourceError, match="the sha256 of silero_vad_16k_sequence"):
        voice_activity.write_voice_activity_bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []


def wheel_of(graph: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(source.GRAPH, graph)
        archive.writestr(f"silero_vad-{source.VERSION}.dist-info/licenses/LICENSE", "the licence")
    return content.getvalue()


def test_without_the_package_the_graph_comes_from_its_wheel(tmp_path, monkeypatch):
    installed = voice_activity.write_voice_activity_bundle(tmp_path / "installed")
    graph = source.published_graph().graph
    monkeypatch.setattr(source, "PACKAGE", "no-such-package")
    monkeypatch.setattr(source, "download_wheel", lambda requirement: wheel_of(graph))
    folder = voice_activity.write_voice_activity_bundle(tmp_path / "fetched")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"} == {
        "model.onnx": (installed / "model.onnx").read_bytes(),
        "LICENSE": b"the licence",
    }


@pytest.mark.parametrize("wheel", [None, b"no archive", b"PK\x05\x06" + bytes(18)])
def test_no_package_and_no_index_is_one_line(tmp_path, monkeypatch, wheel):
    def download(requirement):
        if wheel is None:
            raise OSError("no route to the index")
        return wheel

    monkeypatch.setattr(source, "PACKAGE", "no-such-package")
    monkeypatch.setattr(source, "download_wheel", download)
    with pytest.raises(source.SourceError, match=r"no-such-package 6\.2\.3 is neither installed nor to be fetched: .+"):
        voice_activity.write_voice_activity_bundle(tmp_path)
