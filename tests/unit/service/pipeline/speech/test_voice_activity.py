"""Voice activity: shares of windows, state handed on between chunks, and the publisher's own graph."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.voice_activity import bundle as voice_activity
from service.pipeline.device.session import Session
from service.pipeline.speech import voice_activity as speech_module
from service.pipeline.speech.voice_activity import Activity, VoiceActivity
from service.registry import BundleError, Registry
from service.settings import Settings
from tests.plain_wav import tone
from tests.shared_material import SHARED
from tests.tiny_models import speech_model, write_voice_bundle

SPOKEN = Path(SHARED, "corpora", "emodb7")


def voice_of(folder) -> VoiceActivity:
    (bundle,) = Registry.load(Settings(model_dirs=[folder])).of_task("voice-activity")
    return VoiceActivity(bundle, Session(bundle.path(), device="cpu"))


def detect(voice, samples, rate_hz=16000) -> Activity:
    return voice.detect(samples, rate_hz, lambda chunk: voice.run([chunk])[0])


@pytest.fixture
def tiny(tmp_path):
    write_voice_bundle(tmp_path)
    return voice_of(tmp_path)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.data())
def test_share_is_that_of_the_samples(steps, data):
    activity = Activity(np.array(steps), 0.5)
    total = len(steps) * 8
    start = data.draw(st.integers(0, total - 1))
    end = data.draw(st.integers(start + 1, total))
    share = activity.share(np.array([start / 16]), np.array([end / 16]))
    assert share.dtype == np.float32
    assert share[0] == pytest.approx(np.repeat(steps, 8)[start:end].mean(), abs=1e-6)


def test_loud_half_is_speech_and_the_quiet_half_is_not(tiny):
    samples = np.concatenate([tone(1.024), np.zeros(16384, np.float32)])
    activity = detect(tiny, samples)
    assert activity.step_s == pytest.approx(0.032)
    assert len(activity.is_speech) == 64
    share = activity.share(np.array([0.0, 0.0, 1.1]), np.array([1.024, 2.048, 2.0]))
    np.testing.assert_allclose(share, [1.0, 0.5, 0.0], atol=0.02)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
def test_other_sample_rates_are_resampled(tiny, rate_hz):
    samples = np.concatenate([tone(1.0, rate_hz), np.zeros(rate_hz, np.float32)])
    share = detect(tiny, samples, rate_hz).share(np.array([0.0, 1.05]), np.array([0.95, 2.0]))
    np.testing.assert_allclose(share, [1.0, 0.0], atol=0.01)


@pytest.mark.parametrize("samples", [1, 511, 512, 513])
def test_the_last_step_is_filled_up(tiny, samples):
    assert len(detect(tiny, np.ones(samples, np.float32)).is_speech) == -(-samples // 512)


def test_frames_overlap_by_the_context_and_the_state_goes_on(tiny, monkeypatch):
    monkeypatch.setattr(speech_module, "CHUNK_STEPS", 3)
    samples = np.arange(512 * 7, dtype=np.float32)
    seen = []

    def run_chunk(chunk):
        seen.append(chunk)
        return tiny.run([chunk])[0]

    tiny.detect(samples, 16000, run_chunk)
    assert [len(chunk.frames) for chunk in seen] == [3, 3, 1]
    assert [chunk.h[0, 0, 0] for chunk in seen] == [0.0, 1.0, 2.0]
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
    whole, parts = [], []

    def keep(answers):
        def run_chunk(chunk):
            answers.append(voice.run([chunk])[0])
            return answers[-1]

        return run_chunk

    voice.detect(noise, 16000, keep(whole))
    monkeypatch.setattr(speech_module, "CHUNK_STEPS", 10)
    voice.detect(noise, 16000, keep(parts))
    assert (len(whole), len(parts)) == (1, 13)
    joined = np.concatenate([answer.probabilities for answer in parts])
    np.testing.assert_allclose(joined, whole[0].probabilities, atol=1e-6)


@needs_publisher
def test_publishers_graph_hears_no_speech_in_tones_and_silence(tmp_path):
    voice_activity.write_voice_activity_bundle(tmp_path)
    voice = voice_of(tmp_path)
    for samples in (np.zeros(32000, np.float32), tone(2.0)):
        assert detect(voice, samples).is_speech.mean() < 0.1


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
        assert detect(voice, samples, rate_hz).is_speech.mean() > 0.5


@needs_publisher
def test_another_release_of_the_publishers_graph_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(voice_activity, "GRAPH_SHA256", "0" * 64)
    with pytest.raises(voice_activity.SourceError, match="the sha256 of silero_vad_16k_sequence"):
        voice_activity.write_voice_activity_bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(voice_activity.SourceError, match="silero-vad is not installed"):
        voice_activity.write_voice_activity_bundle(tmp_path)
