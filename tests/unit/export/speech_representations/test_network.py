import numpy as np
import pytest
import torch

from export.corpora.tables import CorpusError, read_corpus
from export.speech_representations.batches import WINDOW_FRAMES, BatchSampler
from export.speech_representations.distortion import LINES, distort
from export.speech_representations.graph import voice_model
from export.speech_representations.network import ACTIVE_LEVEL, POOLED, VoiceConfig, VoiceNetwork
from export.speech_representations.recipe import common_labels, predict
from export.speech_representations.spectra import load_spectra
from service.pipeline.device.session import Session
from tests.support.small_corpus import write_small_corpus

LABELS = ("anger", "neutral", "sadness")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return read_corpus(write_small_corpus(tmp_path_factory.mktemp("corpora") / "small", 1))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return VoiceNetwork(VoiceConfig(LABELS)).eval()


@pytest.fixture
def power():
    steps = 10.0 ** np.random.default_rng(0).uniform(-3, 0, (2, 90, 40))
    return torch.from_numpy(steps.astype(np.float32))


def test_neither_level_nor_colour_reaches_the_network(network, power):
    frames = torch.tensor([90, 60])
    colour = torch.from_numpy(10.0 ** np.linspace(-0.4, 0.4, 40)).float()
    with torch.inference_mode():
        first = network(power, frames)["emotion"]
        torch.testing.assert_close(network(power * 1e4, frames)["emotion"], first, atol=1e-4, rtol=0)
        conditioned, active = network.condition(power, frames)
        coloured, _ = network.condition(power * colour, frames)
    level = (conditioned.sum(dim=2) * active).sum(dim=1) / active.sum(dim=1)
    torch.testing.assert_close(level, torch.full((2,), ACTIVE_LEVEL))
    torch.testing.assert_close(coloured, conditioned, atol=1e-3, rtol=0.05)


def test_a_clip_is_not_touched_by_what_it_is_padded_with(network, power):
    with torch.inference_mode():
        together = network(power, torch.tensor([90, 60]))["emotion"]
        alone = network(power[1:, :60], torch.tensor([60]))["emotion"]
    torch.testing.assert_close(together[1:], alone, atol=1e-6, rtol=0)


def test_silence_around_speech_is_not_listened_to(network, power):
    _, active = network.condition(torch.cat([power * 1e-6, power], dim=1), torch.tensor([180, 180]))
    assert not active[:, :90].any()
    assert active[:, 90:].any()


def test_the_graph_sees_clips_from_their_profiles(network):
    random = np.random.default_rng(2)
    torch.nn.init.normal_(network.norm.running_mean, std=0.1)
    session = Session(voice_model(network, {}).SerializeToString(), device="cpu")
    waveform = random.normal(0, 0.1, (3, 16_000)).astype(np.float32)
    lengths = np.array([16_000, 9_000, 12_000])
    outputs = ("probabilities", "statistics")
    alone = session.run({"waveform": waveform, "lengths": lengths}, outputs)
    mean = random.normal(0, 0.1, (3, POOLED)).astype(np.float32)
    weight = np.array([0.0, 0.5, 1.0], np.float32)
    feed = {"waveform": waveform, "lengths": lengths, "profile": mean, "profile_weight": weight}
    seen = session.run(feed, outputs)
    np.testing.assert_array_equal(seen["statistics"], alone["statistics"])
    np.testing.assert_allclose(seen["probabilities"][0], alone["probabilities"][0], atol=1e-6)
    pooled, profile = torch.from_numpy(alone["statistics"]), (torch.from_numpy(mean), torch.from_numpy(weight))
    with torch.inference_mode():
        wanted = torch.softmax(network.judge(pooled, profile)["emotion"], dim=1).numpy()
        without = torch.softmax(network.judge(pooled)["emotion"], dim=1).numpy()
    np.testing.assert_allclose(seen["probabilities"], wanted, atol=1e-5)
    np.testing.assert_allclose(alone["probabilities"], without, atol=1e-5)
    assert np.abs(wanted - without)[1:].max() > 1e-4


def test_batches_hold_speech_anywhere_and_targets(corpus):
    sampler = BatchSampler([load_spectra(corpus, 3)], LABELS, 24)
    batch = sampler.draw()
    assert batch.power.shape == (24, WINDOW_FRAMES, 40)
    torch.testing.assert_close(batch.targets.emotions.sum(dim=1), torch.ones(24))
    for power, frames in zip(batch.power, batch.frames.tolist(), strict=True):
        assert (power[:frames] >= 0).all()
        assert not power[frames:].any()
    loudest = batch.power.sum(dim=2).argmax(dim=1)
    assert loudest.min() < 40
    assert loudest.max() > 80


def test_spectra_come_back_from_the_cache(corpus, tmp_path):
    fresh, cached = load_spectra(corpus, 2, tmp_path), load_spectra(corpus, 2, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    for one, other in zip(fresh.versions, cached.versions, strict=True):
        assert len(one) == 2
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("line", LINES)
def test_lines_keep_length_and_voice(line):
    voice = np.sin(2 * np.pi * 440.0 * np.arange(16_000) / 16_000).astype(np.float32) * 0.3
    heard = line(np.random.default_rng(0), voice)
    assert abs(len(heard) - len(voice)) < 1_600
    spectrum = np.abs(np.fft.rfft(heard[: len(voice)]))
    assert abs(int(spectrum.argmax()) * 16_000 / len(heard[: len(voice)]) - 440.0) < 2.0


def test_distortion_is_drawn():
    voice = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    random = np.random.default_rng(0)
    heard = [distort(random, voice, [voice]) for _ in range(6)]
    assert all(np.isfinite(one).all() for one in heard)
    assert len({len(one) for one in heard} | {float(one[100]) for one in heard}) > 4


def test_long_recordings_are_judged_by_windows(network, corpus):
    value = load_spectra(corpus).versions[0][0]
    long = np.concatenate([value] * 12)
    logits = predict(network, [value, long, long[:301]])
    assert logits.shape == (3, 3)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1.0, atol=1e-5)


def test_a_class_of_one_corpus_alone_is_left_out(corpus, tmp_path):
    other = read_corpus(write_small_corpus(tmp_path / "other", 1, ("anger", "boredom", "neutral")))
    assert common_labels([corpus, other]) == ("anger", "neutral")
    third = read_corpus(write_small_corpus(tmp_path / "third", 1, ("calm", "disgust")))
    with pytest.raises(CorpusError, match="fewer than two"):
        common_labels([corpus, third])
