"""A published model as one network from waveform to answers, and its ONNX graph."""

from collections.abc import Mapping
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from export.graph.traced import Sizes, traced
from export.published.encoders import States
from export.published.front_ends import LAYER_NORM, within

DIMENSIONS = ("arousal", "dominance", "valence")


class ClassHead(nn.Module):
    """transformers' head for classes: the last state, or a weighted mean of all, averaged over time; two dense layers.

    Args:
        model: of transformers, with the head.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a class of transformers
        super().__init__()
        self.projector, self.classifier = model.projector, model.classifier
        weighs = bool(getattr(model.config, "use_weighted_layer_sum", False))
        self.layer_weights = model.layer_weights if weighs else None

    def forward(self, states: States) -> dict[str, Tensor]:
        """Probabilities float32 [batch, classes] and the mean of the last state float32 [batch, width]."""
        embedding = pooled = over_time(states.last, states.steps)
        if self.layer_weights is not None:
            shares = torch.softmax(self.layer_weights, dim=0)
            means = torch.stack([over_time(layer, states.steps) for layer in states.layers], dim=1)
            pooled = (means * shares[None, :, None]).sum(1)
        logits = self.classifier(self.projector(pooled))
        return {"probabilities": torch.softmax(logits, dim=1), "embedding": embedding}


class DimensionHead(nn.Module):
    """audEERING's head: mean over time, dense, tanh, dense; three values of 0 … 1, given as −1 … 1.

    Args:
        dense, output: its layers.
        names: of the outputs, each of :data:`DIMENSIONS` once.
    """

    def __init__(self, dense: nn.Linear, output: nn.Linear, names: list[str]) -> None:
        super().__init__()
        self.dense, self.output, self._names = dense, output, names

    def forward(self, states: States) -> dict[str, Tensor]:
        """Arousal, dominance and valence float32 [batch], and the mean of the last state float32 [batch, width].

        ``probabilities``, which the graph of every speech bundle has, is float32 [batch, 0].
        """
        embedding = over_time(states.last, states.steps)
        values = torch.clamp(2.0 * self.output(torch.tanh(self.dense(embedding))) - 1.0, -1.0, 1.0)
        found = {name: values[:, place] for place, name in enumerate(self._names)}
        return {"probabilities": values[:, :0], **found, "embedding": embedding}


class PooledHead(nn.Module):
    """SpeechBrain's and emotion2vec's head: the mean of the last state over time, and perhaps one dense layer.

    Args:
        dense: gives numbers before the softmax; None for an embedding alone.
        normalises: whether a clip's states are first brought to mean 0 and variance 1, over time and width together.
    """

    def __init__(self, dense: nn.Linear | None = None, *, normalises: bool = False) -> None:
        super().__init__()
        self.dense, self._normalises = dense, normalises

    def forward(self, states: States) -> dict[str, Tensor]:
        """Probabilities float32 [batch, classes] where it has classes, and the mean float32 [batch, width]."""
        last = states.last
        if self._normalises:
            inside = within(last.shape[1], states.steps)[:, :, None]
            count = states.steps[:, None, None].to(last.dtype) * last.shape[2]
            deviation = (last - (last * inside).sum((1, 2), keepdim=True) / count) * inside
            last = deviation / torch.sqrt(deviation.square().sum((1, 2), keepdim=True) / count + LAYER_NORM)
        embedding = over_time(last, states.steps)
        if self.dense is None:
            return {"embedding": embedding}
        return {"probabilities": torch.softmax(self.dense(embedding), dim=1), "embedding": embedding}


def over_time(states: Tensor, steps: Tensor) -> Tensor:
    """Mean over the steps of each clip, float32 [batch, width]."""
    inside = within(states.shape[1], steps)[:, :, None]
    return (states * inside).sum(1) / steps[:, None].to(states.dtype)


class PublishedNetwork(nn.Module):
    """Front end, encoder and head."""

    def __init__(self, front_end: nn.Module, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.front_end, self.encoder, self.head = front_end, encoder, head

    def forward(self, waveform: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """See :class:`ClassHead` and :class:`DimensionHead`."""
        answers: dict[str, Tensor] = self.head(self.encoder(*self.front_end(waveform, lengths)))
        return answers


class StatesNetwork(nn.Module):
    """Front end and encoder without a head: the states of every layer.

    Args:
        step_samples: samples of a step, where the encoder hears silence behind each clip that is not to count.
    """

    def __init__(self, front_end: nn.Module, encoder: nn.Module, step_samples: int | None = None) -> None:
        super().__init__()
        self.front_end, self.encoder, self._step_samples = front_end, encoder, step_samples

    def forward(self, waveform: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """States float32 [batch, steps, layers, width]: what the first layer takes, what each gives, and in the last
        one's place what a head takes; mask float32 [batch, steps], 1 inside each clip.
        """
        found: States = self.encoder(*self.front_end(waveform, lengths))
        states, steps = torch.stack([*found.layers[:-1], found.last], dim=2), found.steps
        if self._step_samples is not None:
            heard = torch.div(lengths + self._step_samples - 1, self._step_samples, rounding_mode="floor")
            steps = torch.minimum(steps, heard)
            states = states[:, : steps.max()]
        return {"states": states, "mask": within(states.shape[1], steps)}


def published_model(
    network: PublishedNetwork | StatesNetwork,
    example_samples: int,
    metadata: Mapping[str, str],
    sizes: Mapping[str, Sizes] | None = None,
) -> onnx.ModelProto:
    """The network as an ONNX graph with the inputs of a speech bundle.

    Args:
        example_samples: length of the clip that is traced.
        metadata: strings kept inside the file.
        sizes: of outputs, see :func:`export.graph.traced.traced`.
    """
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):  # weight norm: the products are constants
            parametrize.remove_parametrizations(module, "weight")
    waveform = 0.1 * torch.randn(2, example_samples, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([example_samples, example_samples * 3 // 4])
    inputs: dict[str, Sizes] = {"waveform": ("batch", "samples"), "lengths": ("batch",)}
    return traced(network, {"waveform": waveform, "lengths": lengths}, inputs | dict(sizes or {}), metadata)
