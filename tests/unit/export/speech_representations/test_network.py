from pathlib import Path

import numpy as np
import pytest
import torch

from export.corpora.tables import Corpus, CorpusError, Utterance, read_corpus
from export.speech_representations.batches import PROFILES_OF_A_SPEAKER, BatchSampler, voice_means
from export.speech_representations.distortion import LINES, distort
from export.speech_representations.embedded import Embedded, choice, embed, held_out, recall, windows_of
from export.speech_representations.graph import voice_model
from export.speech_representations.network import ACTIVE_LEVEL, POOLED, VoiceConfig, VoiceNetwork
from export.speech_representations.recipe import common_labels
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
    return VoiceNetwork(VoiceConfig(LABELS, 1.0)).eval()


@pytest.fixture
def power():
    steps = 10.0 ** np.random.default_rng(0).uniform(-3, 0, (2, 90, 40))
    return torch.from_numpy(steps.astype(np.float32))


def test_neither_level_nor_colour_reaches_the_network(network, power):
    frames, power = torch.tensor([90, 60]), power * network.encoder.reference
    colour = torch.from_numpy(10.0 ** np.linspace(-0.4, 0.4, 40)).float()
    with torch.inference_mode():
        first = network(power, frames)["emotion"]
        torch.testing.assert_close(network(power * 1e4, frames)["emotion"], first, atol=1e-4, rtol=0)
        conditioned, active = network.encoder.condition(power, frames)
        coloured, _ = network.encoder.condition(power * colour, frames)
    level = (conditioned.sum(dim=2) * active).sum(dim=1) / active.sum(dim=1)
    torch.testing.assert_close(level, torch.full((2,), ACTIVE_LEVEL))
    torch.testing.assert_close(coloured, conditioned, atol=1e-3, rtol=0.05)


def test_a_clip_is_not_touched_by_what_it_is_padded_with(network, power):
    with torch.inference_mode():
        together = network(power, torch.tensor([90, 60]))["emotion"]
        alone = network(power[1:, :60], torch.tensor([60]))["emotion"]
    torch.testing.assert_close(together[1:], alone, atol=1e-6, rtol=0)


def test_nothing_stays_behind_on_another_device(network, power):
    """Tensors of two devices cannot be computed with; 'meta' is one that every machine has."""
    profile = torch.zeros(2, POOLED, device="meta"), torch.zeros(2, device="meta")
    logits = network.to("meta")(power.to("meta"), torch.tensor([90, 60], device="meta"), profile)
    assert {value.device.type for value in logits.values()} == {"meta"}


def test_silence_around_speech_is_not_listened_to(network, power):
    _, active = network.encoder.condition(torch.cat([power * 1e-6, power], dim=1), torch.tensor([180, 180]))
    assert not active[:, :90].any()
    assert active[:, 90:].any()


def test_the_graph_sees_clips_from_their_profiles(network):
    random = np.random.default_rng(2)
    torch.nn.init.normal_(network.centre, std=0.1)
    torch.nn.init.uniform_(network.spread, 0.5, 2.0)
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


@pytest.fixture(scope="module")
def heard(corpus):
    torch.manual_seed(0)
    return embed(VoiceNetwork(VoiceConfig(LABELS)).encoder, corpus, 2)


def test_a_corpus_is_heard_window_by_window(heard, corpus, network):
    """The numbers of a recording are those of its spectrum alone, whatever it shared a batch with."""
    network.encoder.load_state_dict(heard_encoder_state())
    count = len(corpus.utterances)
    assert heard.is_clean.sum() == count == (~heard.is_clean).sum()
    spectra = load_spectra(corpus, 2)
    row = int(np.flatnonzero((heard.recordings == 1) & heard.is_clean)[0])
    value = spectra.versions[1][0]
    with torch.inference_mode():
        power = 10.0 ** torch.from_numpy(value.astype(np.float32))[None]
        alone = network.encoder(power, torch.tensor([len(value)]))[0].numpy()
    np.testing.assert_allclose(heard.pooled[row], alone, atol=1e-5)
    np.testing.assert_array_equal(heard.means[1], heard.pooled[row])


def test_a_partition_that_a_corpus_lacks_is_told(corpus, network):
    with pytest.raises(CorpusError, match="has no recordings"):
        embed(network.encoder, corpus.partition("nowhere"))


def heard_encoder_state():
    torch.manual_seed(0)
    return VoiceNetwork(VoiceConfig(LABELS)).encoder.state_dict()


def test_some_recordings_keep_their_windows(heard):
    kept = heard.where(heard.emotions == "anger")
    assert set(kept.emotions) == {"anger"}
    assert len(kept.pooled) == 2 * len(kept.corpus.utterances)
    place = int(np.flatnonzero(heard.emotions == "anger")[-1])
    np.testing.assert_array_equal(kept.means[-1], heard.means[place])
    train = heard.partition("train")
    assert {utterance.partition for utterance in train.corpus.utterances} == {"train"}


def test_batches_see_windows_from_profiles_of_their_speakers(heard):
    """Window and profile move together, so that a network that sees only their difference sees no move."""
    sampler = BatchSampler([heard], voice_means(heard), LABELS, 400)
    batch = sampler.draw()
    profile, weight = batch.profile
    assert batch.pooled.shape == profile.shape == (400, POOLED)
    assert 0.2 < (weight == 0).float().mean() < 0.4
    assert weight.max() < 60 / 70
    torch.testing.assert_close(batch.targets.emotions.sum(dim=1), torch.ones(400))
    known = torch.from_numpy(heard.pooled)
    is_moved = torch.cdist(batch.pooled, known).amin(dim=1) > 1e-4
    assert 0.5 < is_moved.float().mean() < 0.9
    torch.testing.assert_close(sampler.centre, batch.pooled.mean(dim=0), atol=0.05, rtol=0)


def test_a_profile_of_a_speaker_is_a_mean_of_own_clips():
    """Two speakers far apart: only profiles of a line may lie between them."""
    utterances = [Utterance(f"{i}", LABELS[i % 3], "ab"[i % 2], "train", 1.0, None, None) for i in range(24)]
    pooled = np.zeros((24, POOLED), np.float32)
    pooled[1::2] = 10.0
    heard = Embedded(Corpus("two", Path(), tuple(utterances)), pooled, np.arange(24), np.ones(24, bool))
    sampler = BatchSampler([heard], np.zeros((1, POOLED), np.float32), LABELS, 2000)
    batch = sampler.draw()
    profile, weight = batch.profile
    same = (profile[:, 0] == batch.pooled[:, 0])[weight > 0].float().mean()
    assert 0.7 < same < 0.95
    assert PROFILES_OF_A_SPEAKER == 40
    means = voice_means(heard)
    np.testing.assert_array_equal(means[:, 0], [0.0, 10.0])


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
    assert [len(part) for part in windows_of(long[:301])] == [301]
    parts = windows_of(long)
    assert {len(part) for part in parts} == {301}
    np.testing.assert_array_equal(parts[-1], long[-301:])


def test_a_recording_is_what_its_windows_are_on_average(network):
    random = np.random.default_rng(3)
    corpus = Corpus("c", Path(), tuple(Utterance(n, "anger", "a", "test", 6.0, None, None) for n in ("x", "y")))
    pooled = random.normal(0, 1, (3, POOLED)).astype(np.float32)
    heard = Embedded(corpus, pooled, np.array([0, 1, 0]), np.ones(3, bool))
    with torch.inference_mode():
        odds = torch.softmax(network.judge(torch.from_numpy(pooled))["emotion"], dim=1).numpy()
    found = held_out(network, heard)
    np.testing.assert_allclose(np.exp(found.logits), [odds[[0, 2]].mean(axis=0), odds[1]], rtol=1e-5)
    assert choice(network, heard).tolist() == [0, 0]
    assert recall(network, heard) == 1.0
    profiles = (random.normal(0, 1, (2, POOLED)).astype(np.float32), np.array([0.0, 0.8], np.float32))
    seen = held_out(network, heard, profiles).logits
    np.testing.assert_allclose(seen[0], found.logits[0], rtol=1e-5)
    assert np.abs(seen[1] - found.logits[1]).max() > 1e-4


def test_a_class_of_one_corpus_alone_is_left_out(corpus, tmp_path):
    other = read_corpus(write_small_corpus(tmp_path / "other", 1, ("anger", "boredom", "neutral")))
    assert common_labels([corpus, other]) == ("anger", "neutral")
    many = [
        other,
        *[corpus] * 3,
        *[read_corpus(write_small_corpus(tmp_path / "calm", 1, ("anger", "calm", "neutral")))] * 2,
    ]
    assert common_labels(many) == ("anger", "calm", "neutral", "sadness")
    assert common_labels([*many, other]) == ("anger", "neutral", "sadness")
    third = read_corpus(write_small_corpus(tmp_path / "third", 1, ("calm", "disgust")))
    with pytest.raises(CorpusError, match="fewer than two"):
        common_labels([corpus, third])
