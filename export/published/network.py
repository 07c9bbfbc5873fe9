"""A published model as one network from waveform to answers, and its ONNX graph."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn.utils import parametrize

from export.graph.builder import IR_VERSION, OPSET
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


class _Tuple(nn.Module):
    def __init__(self, network: PublishedNetwork, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self._names = network, names

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        answers = self.network(waveform, lengths)
        return tuple(answers[name] for name in self._names)


def published_model(network: PublishedNetwork, example_samples: int, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """The network as an ONNX graph with the inputs and outputs of a speech bundle.

    PyTorch's exporter that traces is used: the newer one takes half a minute for a tiny network, and onnxscript.

    Args:
        example_samples: length of the clip that is traced.
        metadata: strings kept inside the file.
    """
    network.eval()
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):  # weight norm: the products are constants
            parametrize.remove_parametrizations(module, "weight")
    waveform = 0.1 * torch.randn(2, example_samples, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([example_samples, example_samples * 3 // 4])
    with torch.inference_mode(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as scratch:
        warnings.simplefilter("ignore")  # the tracer warns of every size that it follows
        shapes = {name: tuple(value.shape) for name, value in network(waveform, lengths).items()}
        file = Path(scratch) / "model.onnx"
        torch.onnx.export(
            _Tuple(network, tuple(shapes)).eval(),  # the exporter puts the whole back into the mode that this has
            (waveform, lengths),
            str(file),  # a Path is written to as well, but tensors above 2 GB go beside a text alone
            dynamo=False,
            input_names=["waveform", "lengths"],
            output_names=list(shapes),
            dynamic_axes={"waveform": {0: "batch", 1: "samples"}, "lengths": {0: "batch"}},
            opset_version=OPSET,
        )
        model = onnx.load(file)
    model.ir_version = IR_VERSION
    for output in model.graph.output:
        sizes: list[str | int] = ["batch", *shapes[output.name][1:]]
        output.CopyFrom(helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, sizes))
    helper.set_model_props(model, dict(metadata))
    return model
