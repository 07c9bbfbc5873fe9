"""PyTorch's LSTM layers as ONNX nodes."""

from __future__ import annotations

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


def _reordered(values: Array, gates: tuple[int, ...]) -> Array:
    """The four blocks of ``values``, one a gate, in another order."""
    blocks = np.split(values, 4)
    return np.concatenate([blocks[gate] for gate in gates])


def _array(values: torch.Tensor) -> Array:
    return values.detach().numpy().astype(np.float32)
