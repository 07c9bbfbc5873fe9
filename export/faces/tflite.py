"""The tables of a TFLite file, by hand since the package 'tflite' has one maintainer and no release since January 2025.

Tensors, operators and their options are read, of one subgraph without control flow.

Field numbers are those of version 3 of the publisher's schema (``schema.fbs`` of TensorFlow Lite).
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.faces.flatbuffer import FlatBufferError, Table, root_table

IDENTIFIER = b"TFL3"


class TFLiteError(ValueError):
    """A TFLite file that this converter cannot read."""


class Builtin(IntEnum):
    """The operators that the face graphs and quantised image networks are made of, by their code in the schema."""

    ADD = 0
    AVERAGE_POOL_2D = 1
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEQUANTIZE = 6
    LOGISTIC = 14
    MAX_POOL_2D = 17
    MUL = 18
    RELU = 19
    RESHAPE = 22
    SOFTMAX = 25
    PAD = 34
    TRANSPOSE = 39
    MEAN = 40
    SUB = 41
    DIV = 42
    STRIDED_SLICE = 45
    PRELU = 54
    NEG = 59
    SUM = 74
    SQRT = 75
    RSQRT = 76
    SQUARED_DIFFERENCE = 99
    QUANTIZE = 114


# TensorType of the schema. Everything else (strings, complex and packed types) is refused.
TENSOR_TYPES: dict[int, type[np.generic]] = {
    0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 7: np.int16, 9: np.int8,
}  # fmt: skip


@dataclass(frozen=True)
class Quantisation:
    """How integers stand for real numbers: real = scale · (integer − zero point), by slice along ``axis``.

    Attributes:
        scales, zero_points: float32 and int64, one value for the whole tensor or one a slice.
    """

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int


@dataclass(frozen=True)
class Tensor:
    """One tensor: its name, its shape as the file has it (batch 1), for a constant its values, its type."""

    name: str
    shape: tuple[int, ...]
    values: NDArray[Any] | None
    quantisation: Quantisation | None = None
    dtype: type[np.generic] = np.float32


@dataclass(frozen=True)
class Operator:
    """One operator; ``inputs`` and ``outputs`` number tensors, −1 stands for an input that is left out."""

    code: Builtin
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def option(self, field: int, layout: str, default: int = 0) -> int:
        """Scalar of the options table; ``default`` where the field or the whole table is absent."""
        return default if self.options is None else self.options.number(field, layout, default)


@dataclass(frozen=True)
class Graph:
    """One subgraph, its operators in the order of execution."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(data: bytes) -> Graph:
    """Read the only subgraph of the TFLite file ``data``.

    Raises:
        TFLiteError: the file is damaged, or uses a tensor type or an operator that is not known here.
    """
    try:
        return _graph(root_table(data, IDENTIFIER))
    except FlatBufferError as error:
        raise TFLiteError(f"not a readable TFLite file: {error}") from error


def _graph(model: Table) -> Graph:
    codes = [_operator_code(table) for table in model.tables(1)]
    buffers = model.tables(4)
    subgraphs = model.tables(2)
    if len(subgraphs) != 1:
        raise TFLiteError(f"expected one subgraph, found {len(subgraphs)}")
    subgraph = subgraphs[0]
    graph = Graph(
        tensors=tuple(_tensor(table, buffers) for table in subgraph.tables(0)),
        operators=tuple(_operator(table, codes) for table in subgraph.tables(3)),
        inputs=_integers(subgraph, 1),
        outputs=_integers(subgraph, 2),
    )
    _check_references(graph)
    return graph


def _integers(table: Table, field: int) -> tuple[int, ...]:
    return tuple(int(value) for value in table.vector(field, np.int32))


def _operator_code(table: Table) -> int:
    # Codes above 127 have a field of their own; older writers fill only the byte, newer ones both.
    return max(table.number(0, "b"), table.number(3, "i"))


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    name, shape, kind = table.text(3), _integers(table, 0), table.number(1, "b")
    if kind not in TENSOR_TYPES:
        raise TFLiteError(f"tensor {name!r} has the unsupported type {kind}")
    if table.table(6) is not None:
        raise TFLiteError(f"tensor {name!r} is sparse, which is not supported")
    number = table.number(2, "I")
    if number >= len(buffers):
        raise TFLiteError(f"tensor {name!r} refers to a buffer that is not there")
    content = buffers[number].vector(0, np.uint8)
    quantisation = _quantisation(table.table(4))
    if content.size == 0:
        return Tensor(name, shape, None, quantisation, TENSOR_TYPES[kind])
    dtype = np.dtype(TENSOR_TYPES[kind])
    if content.size != math.prod(shape) * dtype.itemsize:
        raise TFLiteError(f"tensor {name!r} has a buffer of the wrong size")
    return Tensor(name, shape, np.frombuffer(content.tobytes(), dtype).reshape(shape), quantisation, TENSOR_TYPES[kind])


def _quantisation(table: Table | None) -> Quantisation | None:
    if table is None:
        return None
    scales, zero_points = table.vector(2, np.float32), table.vector(3, np.int64)
    if scales.size == 0 or scales.size != zero_points.size:
        return None  # written by converters for tensors that are not quantised
    return Quantisation(scales, zero_points, table.number(6, "i"))


def _operator(table: Table, codes: list[int]) -> Operator:
    number = table.number(0, "I")
    if number >= len(codes):
        raise TFLiteError("an operator refers to a code that is not there")
    if codes[number] not in Builtin.__members__.values():
        raise TFLiteError(f"operator code {codes[number]} is not supported")
    return Operator(Builtin(codes[number]), _integers(table, 1), _integers(table, 2), table.table(4))


def _check_references(graph: Graph) -> None:
    count = len(graph.tensors)
    for operator in graph.operators:
        if any(not -1 <= i < count for i in operator.inputs) or any(not 0 <= i < count for i in operator.outputs):
            raise TFLiteError(f"an operator {operator.code.name} refers to a tensor that is not there")
    if any(not 0 <= i < count for i in (*graph.inputs, *graph.outputs)):
        raise TFLiteError("the graph's inputs or outputs refer to a tensor that is not there")
