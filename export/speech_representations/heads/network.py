"""A head: a learned mix of each encoder's layers, pooled over time, and what is said of it.

========== =========================================================================================
mean        the mean of the mix over time (B15)
attention   a mean weighted by attention (C14)
recurrent   a GRU layer of two directions on the mix, and its mean (B16)
progressive the mean of every encoder beside a column of its own: two GRU layers on mel bands (B17)
========== =========================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal, get_args

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.corpora.labels import AROUSAL_LEVELS, VALENCE_LEVELS
from export.evaluation.calibration import Calibration
from export.graph.traced import Sizes, traced
from export.speech_representations.heads.pooling import AttentionPooling, Layers, MeanPooling, Pooling, RecurrentPooling
from export.training.affect_loss import on_scale

HeadKind = Literal["mean", "attention", "recurrent", "progressive"]
HEADS: Final[tuple[HeadKind, ...]] = get_args(HeadKind)

UNITS = 96
"""Width of a GRU's direction (F10), and of the attention."""

HIDDEN_UNITS = 128
"""Width of the dense layer between pooling and answers, as of the network on GE2E."""

DROPOUT = 0.25
"""On the representation of an utterance in training (B13)."""

OWN_LAYERS = 2
"""GRU layers of the column of its own (B14)."""


@dataclass(frozen=True)
class HeadConfig:
    """Shape of a head.

    Attributes:
        labels: classes.
        columns: layers and width of the states of each encoder; of 'progressive' the last one is its own.
        units: see :data:`UNITS`.
        hidden_units: of the dense layer; 0 leaves it out, as the study does.
    """

    kind: HeadKind
    labels: tuple[str, ...]
    columns: tuple[tuple[int, int], ...]
    units: int = UNITS
    hidden_units: int = HIDDEN_UNITS

    @property
    def needs_means_alone(self) -> bool:
        """Whether the states' means over time are all that it hears."""
        return self.kind == "mean"

    def to_text(self) -> str:
        """The configuration as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> HeadConfig:
        """Inverse of :meth:`to_text`."""
        values = json.loads(text)
        columns = tuple((layers, width) for layers, width in values["columns"])
        return cls(**(values | {"labels": tuple(values["labels"]), "columns": columns}))


class Mix(nn.Module):
    """Layers in units of their deviation in training, added by a softmax of learned weights."""

    centre: Tensor
    spread: Tensor
    """Mean and deviation of the states in training, float32 [layers, width]."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(layers, width))
        self.register_buffer("spread", torch.ones(layers, width))
        self.weights = nn.Parameter(torch.zeros(layers))

    @property
    def shares(self) -> Tensor:
        """Weight of each layer, float32 [layers]; the sum is 1."""
        return torch.softmax(self.weights, dim=0)

    def forward(self, states: Tensor) -> Tensor:
        """Float32 [batch, steps, width] of states [batch, steps, layers, width]."""
        scale = self.shares[:, None] / self.spread
        layers = [states[:, :, layer] * scale[layer] for layer in range(len(scale))]
        return torch.stack(layers).sum(0) - (scale * self.centre).sum(0)


class HeadNetwork(nn.Module):
    """The head; see the module's text."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self.mixes = nn.ModuleList(Mix(layers, width) for layers, width in config.columns)
        poolings = [_pooling(config, place) for place in range(len(config.columns))]
        self.poolings = nn.ModuleList(poolings)
        self.size = sum(pooling.size for pooling in poolings)
        self.dropout = nn.Dropout(DROPOUT)
        self.hidden = nn.Linear(self.size, config.hidden_units) if config.hidden_units else None
        width = config.hidden_units or self.size
        self.emotion = nn.Linear(width, len(config.labels))
        self.arousal = nn.Linear(width, len(AROUSAL_LEVELS))
        self.valence = nn.Linear(width, len(VALENCE_LEVELS))

    def forward(self, columns: Sequence[Layers]) -> dict[str, Tensor]:
        """Logits by output name, emotion [batch, classes], arousal [batch, 2], valence [batch, 3]; and what they are
        made of, 'embedding' [batch, size].
        """
        parts = []
        for mix, pooling, (states, mask) in zip(self.mixes, self.poolings, columns, strict=True):
            # A mean of the mix is the mix of the means, which costs less.
            if isinstance(pooling, MeanPooling):
                flat = pooling(states.flatten(2), mask).unflatten(1, mix.centre.shape)
                parts.append(mix(flat[:, None])[:, 0])
            else:
                parts.append(pooling(mix(states), mask))
        embedding = torch.cat(parts, dim=1)
        x = self.dropout(embedding)
        if self.hidden is not None:
            x = self.dropout(functional.relu(self.hidden(x)))
        answers = {"emotion": self.emotion(x), "arousal": self.arousal(x), "valence": self.valence(x)}
        return {**answers, "embedding": embedding}

    def shares(self) -> list[list[float]]:
        """Weight of each layer of each encoder."""
        return [mix.shares.tolist() for mix in self.mixes if isinstance(mix, Mix)]


class ServedHead(nn.Module):
    """A head with its calibration: states and mask of each encoder in, what a speech bundle gives out."""

    def __init__(self, network: HeadNetwork, calibration: Calibration) -> None:
        super().__init__()
        self.network, self._temperature = network, calibration.temperature

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Probabilities float32 [batch, classes], arousal and valence float32 [batch], embedding [batch, size]."""
        logits = self.network(list(zip(inputs[::2], inputs[1::2], strict=True)))
        probabilities = torch.softmax(logits["emotion"] / self._temperature, dim=1)
        plane = {name: on_scale(logits[name]) for name in ("arousal", "valence")}
        return {"probabilities": probabilities, **plane, "embedding": logits["embedding"]}

    def answers(self, columns: Sequence[Layers]) -> dict[str, NDArray[np.float32]]:
        """The same of states in a list."""
        with torch.inference_mode():
            found = self(*(value for column in columns for value in column))
        return {name: value.numpy() for name, value in found.items()}


def head_model(served: ServedHead) -> onnx.ModelProto:
    """The head as a graph of its own, that takes 'states_0', 'mask_0', 'states_1' …"""
    random = torch.Generator().manual_seed(0)
    inputs: dict[str, Tensor] = {}
    sizes: dict[str, Sizes] = {}
    for number, (layers, width) in enumerate(served.network.config.columns):
        inputs[f"states_{number}"] = torch.randn(2, 7, layers, width, generator=random)
        inputs[f"mask_{number}"] = (torch.arange(7) < torch.tensor([[7], [4]])).float()
        sizes[f"states_{number}"] = ("batch", f"steps_{number}", layers, width)
        sizes[f"mask_{number}"] = ("batch", f"steps_{number}")
    return traced(served, inputs, sizes)


def _pooling(config: HeadConfig, place: int) -> Pooling:
    width, kind = config.columns[place][1], config.kind
    if kind == "progressive" and place == len(config.columns) - 1:
        return RecurrentPooling(width, config.units, OWN_LAYERS)
    if kind == "recurrent":
        return RecurrentPooling(width, config.units)
    return AttentionPooling(width, config.units) if kind == "attention" else MeanPooling(width)
