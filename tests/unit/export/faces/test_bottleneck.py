"""Narrow blocks of the mesh: written differently, with the same result."""

from collections import Counter
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from export.faces import bottleneck
from export.faces.convert import translate
from export.faces.onnx_graph import BATCH, PRODUCER, face_graph
from export.faces.tflite import Builtin, Graph, Operator, Tensor
from export.graph.builder import FLOAT

WIDTH, NARROW, SIZE = 5, 4, 6


def block(narrow: int = NARROW) -> Graph:
    """x → 1×1 convolution → PReLU → depthwise 3×3 → 1×1 convolution, with slopes below 0 and above 1."""
    rng = np.random.default_rng(0)

    def constant(*shape: int) -> Tensor:
        return Tensor("constant", shape, rng.normal(size=shape).astype(np.float32))

    slope = Tensor("slope", (1, 1, narrow), np.linspace(-2, 3, narrow, dtype=np.float32).reshape(1, 1, narrow))
    images = [Tensor("image", (1, SIZE, SIZE, channels), None) for channels in (WIDTH, narrow, narrow, narrow, WIDTH)]
    weights = [
        constant(narrow, 1, 1, WIDTH), constant(narrow),
        slope,
        constant(1, 3, 3, narrow), constant(narrow),
        constant(WIDTH, 1, 1, narrow), constant(WIDTH),
    ]  # fmt: skip
    operators = (
        Operator(Builtin.CONV_2D, (0, 5, 6), (1,), None),
        Operator(Builtin.PRELU, (1, 7), (2,), None),
        Operator(Builtin.DEPTHWISE_CONV_2D, (2, 8, 9), (3,), None),
        Operator(Builtin.CONV_2D, (3, 10, 11), (4,), None),
    )
    return Graph((*images, *weights), operators, (0,), (4,))


def plain(graph: Graph, x: np.ndarray) -> np.ndarray:
    """The block step by step."""
    first, first_bias, slope, kernel, bias, last, last_bias = (tensor.values for tensor in graph.tensors[5:])
    y = x @ first[:, 0, 0].T + first_bias
    y = np.pad(np.where(y > 0, y, slope * y), ((0, 0), (1, 1), (1, 1), (0, 0)))
    filtered = sum(
        y[:, row : row + SIZE, column : column + SIZE] * kernel[0, row, column] for row, column in np.ndindex(3, 3)
    )
    return (filtered + bias) @ last[:, 0, 0].T + last_bias


def test_a_narrow_block_gives_what_its_steps_give() -> None:
    graph = block()
    writer = face_graph("block")
    (result,) = translate(graph, writer, [writer.input("x", FLOAT, [BATCH, SIZE, SIZE, WIDTH])])
    writer.output("y", result, FLOAT, [BATCH, SIZE, SIZE, WIDTH])
    model = writer.model(PRODUCER, {})
    assert [node.op_type for node in model.graph.node if node.op_type in ("Conv", "Relu", "Mul", "Add")] == [
        "Conv", "Relu", "Conv", "Conv",
    ]  # fmt: skip
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(2, SIZE, SIZE, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(session.run(["y"], {"x": x})[0], plain(graph, x), atol=1e-5)


def starts(graph: Graph) -> bool:
    uses = Counter([*graph.outputs, *(tensor for operator in graph.operators for tensor in operator.inputs)])
    return bottleneck.starts_at(graph, uses, graph.operators)


@pytest.mark.parametrize("intermediate", [1, 2, 3])
def test_a_block_whose_steps_are_used_elsewhere_is_none(intermediate: int) -> None:
    graph = block()
    assert starts(graph)
    assert not starts(replace(graph, outputs=(4, intermediate)))


def test_wide_and_incomplete_blocks_are_none() -> None:
    assert starts(block(bottleneck.MOST_CHANNELS))
    assert not starts(block(bottleneck.MOST_CHANNELS + 1))
    graph = block()
    assert not starts(replace(graph, operators=graph.operators[:3]))
    without_bias = replace(graph.operators[0], inputs=(0, 5))
    assert not starts(replace(graph, operators=(without_bias, *graph.operators[1:])))
