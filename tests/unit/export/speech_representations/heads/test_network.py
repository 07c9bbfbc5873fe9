"""Heads and states as networks: what padding, batches, ratings and layers do to them."""

import numpy as np
import pytest
import torch
import transformers

from export.corpora.labels import arousal_matrix, valence_matrix
from export.evaluation.voice import synthetic_voice
from export.speech_representations.heads.encoders import EncoderError, common_input, mel_encoder
from export.speech_representations.heads.network import HEADS, HeadConfig, HeadNetwork, Mix
from export.speech_representations.heads.published import published_encoder
from export.speech_representations.heads.states import Column
from export.training.affect_loss import AffectLoss, LossConfig, Targets, on_scale
from service.card import Licence
from tests.support.published import write_published

LABELS = ("anger", "sadness")
LICENCE = Licence(spdx="Apache-2.0", commercial_use=True)


@pytest.mark.parametrize("kind", HEADS)
def test_what_does_not_count_changes_nothing(kind):
    torch.manual_seed(0)
    columns = ((3, 5),) if kind != "progressive" else ((3, 5), (1, 4))
    network = HeadNetwork(HeadConfig(kind, LABELS, columns, units=6)).eval()
    inputs, padded = [], []
    for layers, width in columns:
        states, mask = torch.randn(1, 9, layers, width), torch.ones(1, 9)
        mask[0, [0, 4]] = 0.0  # pauses
        inputs.append((states, mask))
        longer = torch.randn(2, 14, layers, width)
        longer[0, :9] = states[0]
        padded.append((longer, torch.cat([torch.nn.functional.pad(mask, (0, 5)), torch.ones(1, 14)])))
    with torch.inference_mode():
        alone, together = network(inputs), network(padded)
        louder = network([(states + 1.0, mask) for states, mask in inputs])
    for name, value in alone.items():
        assert torch.allclose(together[name][:1], value, atol=1e-6), name
        assert not torch.allclose(louder[name], value, atol=1e-2), name


def test_layers_are_standardised_before_they_are_mixed():
    mix = Mix(2, 3)
    states = torch.randn(4, 50, 2, 3) * torch.tensor([1.0, 100.0])[:, None] + 7.0
    flat = states.flatten(0, 1)
    mix.centre.copy_(flat.mean(0))
    mix.spread.copy_(flat.std(0))
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([3.0, 1.0]).log())
        wanted = (torch.tensor([0.75, 0.25])[:, None] * (states - flat.mean(0)) / flat.std(0)).sum(2)
        assert torch.allclose(mix(states), wanted, atol=1e-4)


def test_moments_are_of_what_counts():
    values = np.random.default_rng(0).normal(3.0, 2.0, (5000, 2, 3)).astype(np.float16)
    counted = np.arange(5000) % 3 > 0
    mean, square = Column(values, counted, np.array([5000])).moments()
    assert mean == pytest.approx(values[counted].astype(float).mean(axis=0))
    assert square == pytest.approx((values[counted].astype(float) ** 2).mean(axis=0))


def test_a_rating_takes_the_place_of_the_emotions_place():
    """Anger is high and negative in the plane; its listeners heard it low."""
    planes = torch.from_numpy(arousal_matrix(LABELS)), torch.from_numpy(valence_matrix(LABELS))
    loss = AffectLoss(LossConfig(), *planes, torch.tensor([0.5, 0.5]))
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.ones(2, 2, dtype=torch.bool)
    ratings = {"arousal": torch.tensor([-0.5, torch.nan])}
    logits = {"emotion": torch.zeros(2, 2), "arousal": torch.zeros(2, 2), "valence": torch.zeros(2, 3)}
    logits["arousal"].requires_grad_()
    for rated, signs in ((Targets(*targets, ratings), (-1, 1)), (Targets(*targets), (1, 1))):
        logits["arousal"].grad = None
        loss(logits, rated).backward()
        towards_high = -logits["arousal"].grad[:, 1]
        assert tuple(towards_high.sign().int().tolist()) == signs
    assert on_scale(torch.tensor([[0.0, 0.0, 50.0], [50.0, 0.0, 0.0]])).tolist() == pytest.approx([1.0, -1.0])


def test_states_are_those_of_transformers(tmp_path):
    folder = write_published(tmp_path / "tiny", "wav2vec2-base")
    encoder = published_encoder(folder, "tiny", LICENCE)
    clip = synthetic_voice(0.9, 16_000, 0)
    model = transformers.Wav2Vec2Model.from_pretrained(folder, attn_implementation="eager").eval()
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    inputs = extractor(clip, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        wanted = model(**inputs, output_hidden_states=True).hidden_states
    states, mask = encoder.reference([clip])
    assert (encoder.layers, encoder.width) == (len(wanted), 32)
    assert mask.all()
    for layer, values in enumerate(wanted):
        assert torch.allclose(states[:, :, layer], values, atol=1e-4)


def test_whispers_steps_are_those_of_the_clip(tmp_path):
    encoder = published_encoder(write_published(tmp_path / "tiny", "whisper"), "tiny", LICENCE)
    states, mask = encoder.reference([synthetic_voice(s, 16_000, 0) for s in (0.4, 1.0)])
    assert states.shape[1] == 50
    assert mask.sum(1).tolist() == [20, 50]


def test_encoders_of_two_rates_do_not_stand_side_by_side(tmp_path):
    mel = mel_encoder()
    other = mel.speech.model_copy(update={"sample_rate_hz": 8_000})
    narrow = type(mel)(mel.kind, "", mel.member, other, 1, 40, mel.make_graph, mel.reference)
    with pytest.raises(EncoderError, match="8000 and 16000 Hz cannot stand side by side"):
        common_input([mel, narrow])
