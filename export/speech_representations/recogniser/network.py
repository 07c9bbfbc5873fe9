"""The recogniser: two convolutions, five bidirectional GRU layers, characters (B1, B5).

Clips of a batch do not touch one another: the convolution in time sees zeros beyond a clip, the backward direction
starts at a clip's own end (G5), and batch normalisation counts steps inside clips alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

import torch
from torch import Tensor, nn

from export.speech_representations.recogniser.spectrogram import BINS, Scaling, scaled
from export.speech_representations.recogniser.two_way_gru import TwoWayGru, turning

KERNELS: Final = ((41, 11), (21, 11))
STRIDES: Final = ((2, 2), (2, 1))
PADDING: Final = 10
"""Zeros before and after the clip in time, of the first convolution alone."""

LARGEST: Final = 20.0
"""Upper bound of Hardtanh."""

LEAST_FRAMES: Final = 11
"""Frames of the spectrogram for one frame of the layers."""


@dataclass(frozen=True)
class RecogniserConfig:
    """Shape of the network.

    Attributes:
        alphabet: characters, the first of which is CTC's blank.
        channels: filters of each convolution.
        units: width of the GRU layers, of which there are ``layers``.
        scaling: see :data:`export.speech_representations.recogniser.spectrogram.Scaling`.
    """

    alphabet: str
    channels: int = 32
    units: int = 1024
    layers: int = 5
    scaling: Scaling = "clip"

    @property
    def bands(self) -> int:
        """Bands of frequency behind the convolutions: 21."""
        bands = BINS
        for (kernel, _), (stride, _) in zip(KERNELS, STRIDES, strict=True):
            bands = (bands - kernel) // stride + 1
        return bands

    def to_text(self) -> str:
        """The configuration as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> RecogniserConfig:
        """Inverse of :meth:`to_text`."""
        return cls(**json.loads(text))


PRESETS: Final = {
    "paper": RecogniserConfig("_", 32, 1024),
    "repository": RecogniserConfig("_", 32, 800),
    "medium": RecogniserConfig("_", 16, 512),
    "small": RecogniserConfig("_", 8, 256),
    "tiny": RecogniserConfig("_", 8, 160),
}
"""Widths by name; 1024 is a choice that F10 explains, 800 what the authors' code takes by default."""


def preset(name: str, alphabet: str, scaling: Scaling = "clip") -> RecogniserConfig:
    """The shape of that name for an alphabet."""
    return replace(PRESETS[name], alphabet=alphabet, scaling=scaling)


class Recogniser(nn.Module):
    """The network; see the module's text."""

    def __init__(self, config: RecogniserConfig) -> None:
        super().__init__()
        self.config = config
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(1, config.channels, KERNELS[0], STRIDES[0], (0, PADDING)),
                nn.Conv2d(config.channels, config.channels, KERNELS[1], STRIDES[1]),
            ]
        )
        self.convolution_norms = nn.ModuleList(nn.BatchNorm1d(config.channels) for _ in KERNELS)
        sizes = [config.channels * config.bands] + [config.units] * (config.layers - 1)
        self.layers = nn.ModuleList(TwoWayGru(size, config.units) for size in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm1d(config.units) for _ in range(config.layers))
        """Behind each GRU layer: before the next, and the last before the characters."""
        self.characters = nn.Linear(config.units, len(config.alphabet), bias=False)

    def states(self, magnitudes: Tensor, frames: Tensor) -> tuple[list[Tensor], Tensor]:
        """States of each GRU layer, the sum of both directions, about 50 steps a second.

        Args:
            magnitudes: float32 [batch, 161, frames].
            frames: int64 [batch], at least 11 each.

        Returns:
            Float32 [steps, batch, units] a layer, without meaning beyond a clip, and bool [steps, batch]: whether a
            step lies inside its clip.
        """
        states, _, inside = self._run(magnitudes, frames)
        return states, inside

    def forward(self, magnitudes: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithms of the characters' probabilities, float32 [steps, batch, characters], and steps, int64 [batch]."""
        _, normed, _ = self._run(magnitudes, frames)
        return self._scores(normed[-1]), last_steps(frames)

    def scores_by_layer(self, magnitudes: Tensor, frames: Tensor) -> tuple[list[Tensor], Tensor]:
        """Scores of the characters' layer behind each GRU layer, the last as :meth:`forward`; and steps."""
        _, normed, _ = self._run(magnitudes, frames)
        return [self._scores(x) for x in normed], last_steps(frames)

    def _scores(self, normed: Tensor) -> Tensor:
        scores: Tensor = self.characters(normed)
        return scores.log_softmax(dim=2)

    def _run(self, magnitudes: Tensor, frames: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """States of each GRU layer, the same normalised, and which steps lie inside."""
        x = scaled(magnitudes, frames, self.config.scaling)[:, None]
        steps = first_steps(frames)
        for convolution, norm in zip(self.convolutions, self.convolution_norms, strict=True):
            x = convolution(x).permute(3, 0, 2, 1)  # [steps, batch, bands, channels]
            inside = torch.arange(len(x), device=x.device)[:, None] < steps
            x = _normed(norm, x, inside).clamp(0.0, LARGEST).permute(1, 3, 2, 0)
            steps = steps - (KERNELS[1][1] - 1)
        steps, x = last_steps(frames), x.flatten(1, 2).permute(2, 0, 1)
        turned, inside = turning(len(x), steps)
        states: list[Tensor] = []
        normed: list[Tensor] = []
        for layer, norm in zip(self.layers, self.norms, strict=True):
            onward, homeward = layer(x, turned)
            states.append(onward + homeward)
            x = _normed(norm, states[-1], inside)
            normed.append(x)
        return states, normed, inside


def _normed(norm: nn.Module, x: Tensor, inside: Tensor) -> Tensor:
    """Batch normalisation that counts steps inside clips alone; zero elsewhere.

    Args:
        x: float32 [steps, batch, …, features].
        inside: bool [steps, batch].
    """
    rows = x[inside]
    kept = torch.zeros_like(x)
    kept[inside] = norm(rows.reshape(-1, x.shape[-1])).reshape(rows.shape)
    return kept


def first_steps(frames: Tensor) -> Tensor:
    """Steps behind the first convolution of so many frames."""
    return torch.div(frames + 2 * PADDING - KERNELS[0][1], STRIDES[0][1], rounding_mode="floor") + 1


def last_steps(frames: Tensor) -> Tensor:
    """Steps of the GRU layers of so many frames."""
    return first_steps(frames) - (KERNELS[1][1] - 1)


def layer_means(states: list[Tensor], inside: Tensor) -> list[Tensor]:
    """Mean over the steps of each clip, float32 [batch, units] a layer (B15)."""
    share = (inside / inside.sum(dim=0)).unsqueeze(2)
    return [(layer * share).sum(dim=0) for layer in states]
