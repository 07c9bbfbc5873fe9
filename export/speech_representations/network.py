"""Emotion from the layers of the GE2E encoder: conditioned spectrum, LSTM layers, mean and deviation, two dense layers.

The spectrum of each clip is conditioned first: frames far below the loudest are told apart, the mean spectrum of the
others is drawn towards that of the speech that the encoder knows, and their level is set. Neither the level of a
recording nor most of the colour of a microphone reaches the network. The encoder's layers stay nearly as they were
published: on voices never heard they serve better than layers that learn along for long (docs/training.md).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from export.corpora.labels import AROUSAL_LEVELS, VALENCE_LEVELS
from export.graph.high_pass import BELOW_SPEECH
from export.speech_representations.encoder import LAYERS, PRESET, REFERENCE_SHARES, UNITS, encoder_layers
from export.speech_representations.familiarity import Familiarity

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
"""Least variance over time, so that rounding takes no root of less than zero."""

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


class VoiceEncoder(nn.Module):
    """Conditioning and the encoder's layers; see the module's text.

    Args:
        equalisation: see :class:`VoiceConfig`.
    """

    reference: Tensor
    """Share of each band in the power of speech, float32 [40]."""

    def __init__(self, equalisation: float) -> None:
        super().__init__()
        self.equalisation = equalisation
        shares = torch.tensor(REFERENCE_SHARES)
        self.register_buffer("reference", shares / shares.sum(), persistent=False)
        self.layers = encoder_layers()

    @property
    def sha256(self) -> str:
        """Digest of all that the representation depends on; profiles are bound to it."""
        digest = hashlib.sha256(f"{PRESET.name} {BELOW_SPEECH.below_hz} {self.equalisation}".encode())
        for name, value in [("reference", self.reference), *sorted(self.layers.state_dict().items())]:
            digest.update(name.encode() + np.ascontiguousarray(value.cpu().numpy(), "<f4").tobytes())
        return digest.hexdigest()

    def condition(self, power: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Equalise and level the spectra.

        Args:
            power: float32 [batch, steps, 40], mel power of any scale.
            frames: int64 [batch], steps inside each clip.

        Returns:
            The conditioned power, and bool [batch, steps]: which frames are active.
        """
        inside = torch.arange(power.shape[1], device=frames.device)[None, :] < frames[:, None]
        power = power * inside[:, :, None]
        total = power.sum(dim=2)
        active = inside & (total >= ACTIVE_SHARE * total.amax(dim=1, keepdim=True))
        share = active.float() / active.sum(dim=1, keepdim=True).clamp(min=1)
        mean = torch.einsum("bt,btn->bn", share, power)
        mean = mean / mean.sum(dim=1, keepdim=True).clamp(min=POWER_FLOOR)
        gain = (self.reference / mean.clamp(min=POWER_FLOOR)) ** self.equalisation
        gain = gain.clamp(1.0 / LARGEST_GAIN, LARGEST_GAIN)
        equalised = power * gain[:, None, :]
        level = (share * equalised.sum(dim=2)).sum(dim=1).clamp(min=POWER_FLOOR)
        return equalised * (ACTIVE_LEVEL / level)[:, None, None], active

    def forward(self, power: Tensor, frames: Tensor) -> Tensor:
        """Pooled representation, float32 [batch, 1536]: mean, then deviation, of all layers over active frames."""
        return pooled(*self.states(power, frames))

    def states(self, power: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """States of all layers, float32 [batch, steps, 768], and which steps are active, bool [batch, steps]."""
        x, active = self.condition(power, frames)
        outputs = []
        for layer in self.layers:
            x, _ = layer(x)
            outputs.append(x)
        return torch.cat(outputs, dim=2), active


def pooled(states: Tensor, active: Tensor) -> Tensor:
    """Mean, then deviation, of states [batch, steps, n] over active steps: [batch, 2n]."""
    share = active / active.sum(dim=1, keepdim=True).clamp(min=1)
    mean = torch.einsum("bt,btc->bc", share, states)
    square = torch.einsum("bt,btc->bc", share, states.square())
    deviation = (square - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
    return torch.cat([mean, deviation], dim=1)


class VoiceNetwork(nn.Module):
    """The encoder and two dense layers."""

    centre: Tensor
    spread: Tensor
    """Mean and deviation of the representation in training, float32 [1536]; a profile takes the place of the mean."""

    def __init__(self, config: VoiceConfig, encoder: VoiceEncoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.familiarity: Familiarity | None = None
        self.encoder = encoder or VoiceEncoder(config.equalisation)
        self.register_buffer("centre", torch.zeros(POOLED))
        self.register_buffer("spread", torch.ones(POOLED))
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(POOLED, config.head_units)
        self.emotion = nn.Linear(config.head_units, len(config.labels))
        self.arousal = nn.Linear(config.head_units, len(AROUSAL_LEVELS))
        self.valence = nn.Linear(config.head_units, len(VALENCE_LEVELS))

    def forward(self, power: Tensor, frames: Tensor, profile: Profile | None = None) -> dict[str, Tensor]:
        """Logits by output name: emotion [batch, classes], arousal [batch, 2], valence [batch, 3]."""
        return self.judge(self.encoder(power, frames), profile)

    def judge(self, pooled: Tensor, profile: Profile | None = None) -> dict[str, Tensor]:
        """The same from the pooled representation, seen from a profile where there is one."""
        x = self.dropout(functional.relu(self.hidden(self.dropout(self.seen(pooled, profile)))))
        return {"emotion": self.emotion(x), "arousal": self.arousal(x), "valence": self.valence(x)}

    def seen(self, pooled: Tensor, profile: Profile | None = None) -> Tensor:
        """The representation from the profile's mean, or the training's, in the training's deviations."""
        if profile is not None:
            mean, weight = profile
            pooled = pooled - weight[:, None] * (mean - self.centre)
        return (pooled - self.centre) / self.spread
