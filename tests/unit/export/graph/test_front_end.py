import numpy as np
import pytest
import torch

from export.corpora.audio import read_waveform
from export.corpora.tables import read_corpus
from export.emonet.verification import librosa_picture
from export.evaluation.voice import synthetic_voice
from export.graph.front_end import PRESETS, FrontEnd, scale_relative
from tests.shared_material import corpus_folder


def picture(preset: str, waveform: np.ndarray) -> np.ndarray:
    pictures, frames = FrontEnd(PRESETS[preset])(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    return pictures[0, :, : int(frames[0])].numpy()


@pytest.mark.parametrize("samples", [8_000, 20_011, 35_999, 47_999, 48_000])
def test_preset_open_is_librosas(samples):
    voice = synthetic_voice(samples / 16_000, 16_000, seed=samples)
    np.testing.assert_allclose(picture("open", voice), librosa_picture(voice), atol=5e-3)
    assert np.abs(picture("open", voice) - librosa_picture(voice)).mean() < 1e-4


def test_preset_open_is_librosas_on_human_speech():
    corpus = read_corpus(corpus_folder("emodb4"))
    for utterance in corpus.utterances[::60]:
        speech = read_waveform(utterance.audio, 16_000)[:48_000]
        assert np.abs(picture("open", speech) - librosa_picture(speech)).mean() < 1e-4


@pytest.mark.parametrize(("preset", "bands"), [("open", 128), ("paper", 64), ("code", 128)])
def test_a_clip_has_the_same_picture_in_any_company(preset, bands):
    front_end = FrontEnd(PRESETS[preset])
    clips = [synthetic_voice(s, 16_000, seed) for seed, s in enumerate((0.7, 1.9, 3.0))]
    waveform = torch.full((3, 48_000), 0.3)  # what lies beyond a clip must not matter
    for row, clip in enumerate(clips):
        waveform[row, : len(clip)] = torch.from_numpy(clip)
    together, frames = front_end(waveform, torch.tensor([len(clip) for clip in clips]))
    for row, clip in enumerate(clips):
        alone = picture(preset, clip)
        assert alone.shape == (bands, int(frames[row]))
        np.testing.assert_allclose(
            together[row, :, : int(frames[row])].numpy(), alone, atol=1e-5 if preset == "open" else 1e-3
        )  # sums are rounded in another order; ln of nearly nothing magnifies it
        assert not together[row, :, int(frames[row]) :].any()


def test_frame_counts_are_those_of_the_papers():
    assert PRESETS["paper"].frames(5 * 16_000) == 311  # C8: 5 s, 512/256
    assert PRESETS["code"].frames(5 * 16_000) == 155  # C8: 5 s, 1024/512


def test_level_does_not_matter():
    voice = synthetic_voice(2.0, 16_000, 1)
    np.testing.assert_allclose(picture("open", voice), picture("open", voice * 0.01), atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_silence_and_constants_are_finite(value):
    assert np.isfinite(picture("open", np.full(16_000, value, dtype=np.float32))).all()


def test_a_constant_picture_is_all_ones():
    inside = torch.ones(1, 7, dtype=torch.bool)
    scaled = scale_relative(torch.zeros(1, 5, 7), inside, torch.tensor([False]))
    assert torch.equal(scaled, torch.ones(1, 5, 7))
