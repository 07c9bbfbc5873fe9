import numpy as np
import pytest
import torch

from export.evaluation.calibration import Calibration
from export.speech_representations.bundle import calibrated, learn_familiar
from export.speech_representations.familiarity import DIRECTIONS, fit_familiarity
from export.speech_representations.graph import read_voice, voice_model
from export.speech_representations.network import POOLED, VoiceConfig, VoiceNetwork
from service.pipeline.device.session import Session

LABELS = ("anger", "neutral", "sadness")


def speech(count, room, seed):
    """Representations that vary along eight directions of a room, and a little along all others."""
    directions = np.linalg.qr(np.random.default_rng(room).normal(size=(POOLED, 8)))[0]
    random = np.random.default_rng(seed)
    return (random.normal(0, 20, (count, 8)) @ directions.T + random.normal(0, 0.3, (count, POOLED))).astype(np.float32)


def told(familiarity, values):
    return familiarity.unfamiliarity(torch.from_numpy(values)).numpy()


def test_speech_like_that_of_training_is_familiar_and_other_speech_is_not():
    parts = [speech(300, 1, 1), speech(80, 2, 2)]
    found = fit_familiarity(parts)
    assert found.directions.shape == (DIRECTIONS, POOLED)
    torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(DIRECTIONS), atol=1e-5, rtol=0)
    own = [told(found, part) for part in parts]
    assert np.mean([values.mean() for values in own]) == pytest.approx(1.0, abs=1e-4)
    for room in (1, 2):
        assert 0.9 < told(found, speech(50, room, 9)).mean() < 1.5
    assert told(found, speech(50, 3, 9)).min() > 3.0


def test_a_small_corpus_counts_as_much_as_a_large_one():
    """Forty recordings of one room beside four thousand of fifty others: its directions are kept all the same."""
    large = np.concatenate([speech(80, room, room) for room in range(10, 60)])
    found = fit_familiarity([large, speech(40, 1, 1)])
    assert told(found, speech(40, 1, 2)).mean() < told(found, speech(40, 10, 2)).mean()


@pytest.fixture
def network():
    torch.manual_seed(3)
    network = VoiceNetwork(VoiceConfig(LABELS, 1.0)).eval()
    torch.nn.init.normal_(network.centre, std=0.1)
    torch.nn.init.uniform_(network.spread, 0.02, 0.1)
    return network


def test_the_graph_doubts_what_is_unfamiliar_as_the_network_does(network):
    """Alone and from a profile; read back, the network is the same."""
    random = np.random.default_rng(4)
    waveform = random.normal(0, 0.1, (3, 16_000)).astype(np.float32)
    feed = {"waveform": waveform, "lengths": np.array([16_000, 9_000, 12_000])}
    heard = Session(voice_model(network, {}).SerializeToString(), device="cpu").run(feed, ("statistics",))["statistics"]
    unfamiliarity = learn_familiar(network, [heard + random.normal(0, 0.02, heard.shape).astype(np.float32)])
    calibration = Calibration(0.8, growth=0.7)
    model = voice_model(network, {}, calibration)
    feed |= {"profile": heard + np.float32(0.05), "profile_weight": np.array([0.0, 0.5, 1.0], np.float32)}
    answers = Session(model.SerializeToString(), device="cpu").run(feed, ("probabilities",))["probabilities"]
    profile = torch.from_numpy(feed["profile"]), torch.from_numpy(feed["profile_weight"])
    with torch.inference_mode():
        pooled = torch.from_numpy(heard)
        logits = network.judge(pooled, profile)["emotion"].numpy()
        away = network.familiarity.unfamiliarity(network.seen(pooled, profile)).numpy()
    np.testing.assert_allclose(away[0], unfamiliarity(heard)[0], rtol=1e-5)
    assert calibration.temperatures(away).max() > 1.05 * calibration.temperature
    np.testing.assert_allclose(answers, calibration.probabilities(logits, away), atol=1e-5)
    again = read_voice(model, network.config)
    power, frames = torch.rand(2, 90, 40) + 0.01, torch.tensor([90, 60])
    with torch.inference_mode():
        both = [calibrated(one, calibration, power, frames) for one in (network, again)]
    np.testing.assert_array_equal(*both)
