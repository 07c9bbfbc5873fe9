"""Emotion from the layers of the GE2E encoder: conditioned spectrum, LSTM layers, attention, two dense layers.

The spectrum of each clip is conditioned first: frames far below the loudest are told apart, the mean spectrum of the
others is drawn towards a reference, and their level is set. So neither the level of a recording nor most of the
colour of a microphone reaches the network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.corpora.labels import AROUSAL_LEVELS, VALENCE_LEVELS
from export.speech_representations.encoder import BANDS, LAYERS, UNITS, encoder_layers

ACTIVE_SHARE = 1e-3
"""Frames of at least this share of the loudest frame's energy are active: 30 dB below it."""

ACTIVE_LEVEL = 0.58
"""Mean energy of active frames of speech at −30 dBFS, the level that the encoder was trained at.

Measured on 42 recordings of LibriSpeech: 0.58 ± 0.11.
"""

LARGEST_GAIN = 30.0
"""Largest gain and its inverse the smallest of equalisation in a band, 15 dB."""

POWER_FLOOR = 1e-12
"""Least energy, so that digital silence divides by something."""

LEAST_VARIANCE = 1e-6
"""Least variance over time, whose root has a slope."""

POOLED = 2 * LAYERS * UNITS
"""Numbers of the pooled representation: mean and deviation of each unit of each layer."""


HALF_WEIGHT_CLIPS = 10.0
"""Clips at which a profile counts half: the representation's mean over fewer says little of a voice.

Chosen among 5, 10, 20 and 40 on the train and devel partitions of corpora that were left out; docs/accuracy.md.
"""

Profile = tuple[Tensor, Tensor]
"""Mean representation of some clips, float32 [batch, 1536], and how much it counts, float32 [batch], 0…1."""


@dataclass(frozen=True)
class VoiceConfig:
    """Shape of the network.

    Attributes:
        labels: classes of the head.
        equalisation: exponent of the step towards the reference spectrum, 0 for none, 1 for all of it.
        head_units: width of the dense layer.
        dropout: before both dense layers.
    """

    labels: tuple[str, ...]
    equalisation: float = 1.0
    head_units: int = 128
    dropout: float = 0.4

    def to_text(self) -> str:
        """The configuration as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> VoiceConfig:
        """Inverse of :meth:`to_text`."""
        values = json.loads(text)
        return cls(**(values | {"labels": tuple(values["labels"])}))


class VoiceNetwork(nn.Module):
    """The whole network over mel power; see the module's text."""

    reference: Tensor

    def __init__(self, config: VoiceConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("reference", torch.full((BANDS,), 1.0 / BANDS))
        self.layers = encoder_layers()
        self.energy = nn.Linear(LAYERS * UNITS, 1, bias=False)
        self.norm = nn.BatchNorm1d(POOLED)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(POOLED, config.head_units)
        self.emotion = nn.Linear(config.head_units, len(config.labels))
        self.arousal = nn.Linear(config.head_units, len(AROUSAL_LEVELS))
        self.valence = nn.Linear(config.head_units, len(VALENCE_LEVELS))

    @property
    def centre(self) -> Tensor:
        """Mean representation of the training, float32 [1536]; a profile takes the place of it."""
        assert self.norm.running_mean is not None
        return self.norm.running_mean

    def condition(self, power: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Equalise and level the spectra.

        Args:
            power: float32 [batch, steps, 40], mel power of any scale.
            frames: int64 [batch], steps inside each clip.

        Returns:
            The conditioned power, and bool [batch, steps]: which frames are active.
        """
        inside = torch.arange(power.shape[1])[None, :] < frames[:, None]
        power = power * inside[:, :, None]
        total = power.sum(dim=2)
        active = inside & (total >= ACTIVE_SHARE * total.amax(dim=1, keepdim=True))
        share = active.float() / active.sum(dim=1, keepdim=True).clamp(min=1)
        mean = torch.einsum("bt,btn->bn", share, power)
        mean = mean / mean.sum(dim=1, keepdim=True).clamp(min=POWER_FLOOR)
        gain = (self.reference / mean.clamp(min=POWER_FLOOR)) ** self.config.equalisation
        gain = gain.clamp(1.0 / LARGEST_GAIN, LARGEST_GAIN)
        equalised = power * gain[:, None, :]
        level = (share * equalised.sum(dim=2)).sum(dim=1).clamp(min=POWER_FLOOR)
        return equalised * (ACTIVE_LEVEL / level)[:, None, None], active

    def embed(self, power: Tensor, frames: Tensor) -> Tensor:
        """Pooled representation, float32 [batch, 1536]: attention-weighted mean, then deviation, of all layers."""
        x, active = self.condition(power, frames)
        outputs = []
        for layer in self.layers:
            x, _ = layer(x)
            outputs.append(x)
        states = torch.cat(outputs, dim=2)
        energies = self.energy(states)[..., 0].masked_fill(~active, -1e9)
        weights = torch.softmax(energies, dim=1)
        mean = torch.einsum("bt,btc->bc", weights, states)
        square = torch.einsum("bt,btc->bc", weights, states.square())
        deviation = (square - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
        return torch.cat([mean, deviation], dim=1)

    def forward(self, power: Tensor, frames: Tensor, profile: Profile | None = None) -> dict[str, Tensor]:
        """Logits by output name: emotion [batch, classes], arousal [batch, 2], valence [batch, 3]."""
        return self.judge(self.embed(power, frames), profile)

    def judge(self, pooled: Tensor, profile: Profile | None = None) -> dict[str, Tensor]:
        """The same from what :meth:`embed` gave, seen from a profile where there is one."""
        if profile is not None:
            mean, weight = profile
            pooled = pooled - weight[:, None] * (mean - self.centre)
        pooled = self.dropout(self.norm(pooled))
        x = self.dropout(functional.relu(self.hidden(pooled)))
        return {"emotion": self.emotion(x), "arousal": self.arousal(x), "valence": self.valence(x)}
