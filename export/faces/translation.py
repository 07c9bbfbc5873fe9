"""State of one translation from TFLite to ONNX: which ONNX value stands for which tensor, and in which
layout.

TFLite keeps images as [batch, height, width, channels], ONNX convolutions take [batch, channels, height,
width]. A value stays in the layout in which it was made until an operator wants the other one; transposes are
thereby inserted only where the network itself changes between images and tables.
"""

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.faces.tflite import Graph, Operator, TFLiteError
from export.graph.builder import GraphBuilder

IMAGE_RANK = 4
TO_CHANNELS_FIRST = (0, 3, 1, 2)
TO_CHANNELS_LAST = (0, 2, 3, 1)


class Layout(Enum):
    """Order of the axes of a rank-4 value."""

    CHANNELS_LAST = "channels_last"  # as in TFLite; values of any other rank are always in this one
    CHANNELS_FIRST = "channels_first"


class Translation:
    """The values made so far while ``graph`` is written into ``writer``."""

    def __init__(self, graph: Graph, writer: GraphBuilder) -> None:
        self.graph = graph
        self.writer = writer
        self._values: dict[tuple[int, Layout], str] = {}
        self._constants: dict[int, NDArray[Any]] = {
            number: tensor.values for number, tensor in enumerate(graph.tensors) if tensor.values is not None
        }

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor as TFLite has it: batch 1, channels last."""
        return self.graph.tensors[tensor].shape

    def is_constant(self, tensor: int) -> bool:
        """Whether the tensor is known at conversion."""
        return tensor in self._constants

    def constant(self, tensor: int) -> NDArray[Any]:
        """Values of a tensor that must be known at conversion, half precision widened to float32.

        Raises:
            TFLiteError: it is only known when the network runs.
        """
        if tensor not in self._constants:
            raise TFLiteError(f"tensor {self.graph.tensors[tensor].name!r} would have to be a constant")
        values = self._constants[tensor]
        return values.astype(np.float32) if values.dtype == np.float16 else values

    def set_constant(self, tensor: int, values: NDArray[Any]) -> None:
        """Record a tensor that follows from constants alone."""
        self._constants[tensor] = values

    def is_channels_first(self, tensor: int) -> bool:
        """Whether the tensor was made by an image operator and is at hand with channels first."""
        return (tensor, Layout.CHANNELS_FIRST) in self._values

    def value(self, tensor: int, layout: Layout = Layout.CHANNELS_LAST) -> str:
        """Name of the ONNX value of ``tensor`` in ``layout``, transposed on first demand.

        Raises:
            TFLiteError: nothing has computed the tensor yet.
        """
        if (tensor, layout) not in self._values:
            self._values[tensor, layout] = self._make(tensor, layout)
        return self._values[tensor, layout]

    def _make(self, tensor: int, layout: Layout) -> str:
        if self.is_constant(tensor):
            return self.writer.constant(_arrange(self.constant(tensor), layout))
        if layout is Layout.CHANNELS_FIRST:
            source, order = (tensor, Layout.CHANNELS_LAST), TO_CHANNELS_FIRST
        else:
            source, order = (tensor, Layout.CHANNELS_FIRST), TO_CHANNELS_LAST
        if source not in self._values:
            raise TFLiteError(f"tensor {self.graph.tensors[tensor].name!r} is used before it is computed")
        return self.writer.add("Transpose", self._values[source], perm=list(order))

    def set_value(self, tensor: int, name: str, layout: Layout = Layout.CHANNELS_LAST) -> None:
        """Record that the ONNX value ``name`` stands for ``tensor``."""
        self._values[tensor, layout] = name

    def finish(self, operator: Operator, value: str, layout: Layout, activation: int = 0) -> None:
        """Apply the activation that TFLite fuses into ``operator`` and record the result as its output.

        Raises:
            TFLiteError: an activation other than none (0) and ReLU (1).
        """
        if activation not in (0, 1):
            raise TFLiteError(f"the fused activation {activation} of {operator.code.name} is not supported")
        self.set_value(operator.outputs[0], self.writer.add("Relu", value) if activation else value, layout)

    def common_layout(self, tensors: tuple[int, ...]) -> Layout:
        """Layout in which an elementwise operator can take all ``tensors`` with the fewest transposes."""
        variable = [tensor for tensor in tensors if not self.is_constant(tensor)]
        all_images = all(len(self.shape(tensor)) == IMAGE_RANK for tensor in variable)
        if all_images and any(self.is_channels_first(tensor) for tensor in variable):
            return Layout.CHANNELS_FIRST
        return Layout.CHANNELS_LAST


def _arrange(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Constant in ``layout``; one of lower rank broadcasts from the right in TFLite, so pad it first."""
    if layout is Layout.CHANNELS_LAST or values.ndim == 0:
        return values
    padded = values.reshape((1,) * (IMAGE_RANK - values.ndim) + values.shape)
    return padded.transpose(TO_CHANNELS_FIRST)
