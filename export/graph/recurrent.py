"""PyTorch's LSTM and GRU layers as ONNX nodes."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.graph.builder import GraphBuilder

Array = NDArray[np.float32]

TORCH_GATES = (0, 3, 1, 2)
"""ONNX orders the gates input, output, forget, cell; PyTorch input, forget, cell, output. Blocks of PyTorch's."""

ONNX_GATES = (0, 2, 3, 1)
"""Order of ONNX's gates in PyTorch's blocks, the inverse of the above."""

GRU_GATES = (1, 0, 2)
"""ONNX orders a GRU's gates update, reset, new; PyTorch reset, update, new. Its own inverse."""


def write_lstm(graph: GraphBuilder, x: str, name: str, layer: nn.Module) -> str:
    """Add a layer of one direction.

    Args:
        x: name of float32 [steps, batch, inputs].
        name: prefix of the names of its weights.
        layer: an ``nn.LSTM`` of one layer.

    Returns:
        Name of the states, float32 [steps, batch, units].
    """
    assert isinstance(layer, nn.LSTM)
    inward, recurrent, *biases = (_reordered(_array(values), TORCH_GATES) for values in layer.all_weights[0])
    weight = graph.constant(inward[None], f"{name}.W")
    recurrence = graph.constant(recurrent[None], f"{name}.R")
    bias = graph.constant(np.concatenate(biases)[None], f"{name}.B")
    states = graph.add("LSTM", x, weight, recurrence, bias, hidden_size=layer.hidden_size)
    return graph.add("Squeeze", states, graph.constant([1]))


def read_lstm(values: Mapping[str, Array], name: str) -> dict[str, Array]:
    """Weights of a layer that :func:`write_lstm` wrote as ``name``, by PyTorch's names.

    Args:
        values: constants of the graph by their names.

    Raises:
        KeyError: there is no such layer.
    """
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    arrays = (values[f"{name}.W"][0], values[f"{name}.R"][0], *np.split(values[f"{name}.B"][0], 2))
    return {key: _reordered(value, ONNX_GATES) for key, value in zip(names, arrays, strict=True)}


def write_gru(graph: GraphBuilder, x: str, name: str, onward: nn.GRU, homeward: nn.GRU, steps: str) -> str:
    """Add a layer of two directions without biases, whose outputs are added (B5).

    Args:
        x: name of float32 [steps, batch, inputs].
        name: prefix of the names of its weights.
        homeward: goes from the end of each clip to its beginning.
        steps: name of the steps inside each clip, int32 [batch] (G5).

    Returns:
        Name of the sums, float32 [steps, batch, units], zero beyond each clip.
    """
    both = [[_reordered(_array(values), GRU_GATES) for values in way.all_weights[0]] for way in (onward, homeward)]
    weight = graph.constant(np.stack([way[0] for way in both]), f"{name}.W")
    recurrence = graph.constant(np.stack([way[1] for way in both]), f"{name}.R")
    units = onward.hidden_size
    # The reset gate acts behind the recurrent product, as in PyTorch (G5).
    options = {"hidden_size": units, "direction": "bidirectional", "linear_before_reset": 1}
    states = graph.add("GRU", x, weight, recurrence, "", steps, **options)
    return graph.add("ReduceSum", states, graph.constant([1]), keepdims=0)


def read_gru(values: Mapping[str, Array], name: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights of both directions of a layer that :func:`write_gru` wrote as ``name``, by PyTorch's names.

    Raises:
        KeyError: there is no such layer.
    """
    names = {"W": "weight_ih_l0", "R": "weight_hh_l0"}

    def direction(place: int) -> dict[str, Array]:
        return {key: _reordered(values[f"{name}.{part}"][place], GRU_GATES) for part, key in names.items()}

    return direction(0), direction(1)


def _reordered(values: Array, gates: tuple[int, ...]) -> Array:
    """The blocks of ``values``, one a gate, in another order."""
    blocks = np.split(values, len(gates))
    return np.concatenate([blocks[gate] for gate in gates])


def _array(values: torch.Tensor) -> Array:
    return values.detach().numpy().astype(np.float32)
