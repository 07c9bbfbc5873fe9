"""Every TFLite operator that is translated, against numpy, on tiny graphs and with a batch of two."""

import numpy as np
import onnxruntime
import pytest

from export.faces.convert import RULES, translate
from export.faces.onnx_graph import BATCH, PRODUCER, face_graph
from export.faces.tflite import Builtin, TFLiteError, read_graph
from export.graph.builder import FLOAT
from tests.support.flatbuffer_builder import Scalar, TinyGraph

BATCH_SIZE = 2
BYTE, INT = "b", "i"


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def run(graph: TinyGraph, *inputs: np.ndarray) -> np.ndarray:
    writer = face_graph("tiny")
    parsed = read_graph(graph.data())
    names = []
    for number in parsed.inputs:
        names.append(writer.input(f"x{number}", FLOAT, [BATCH, *parsed.tensors[number].shape[1:]]))
    (result,) = translate(parsed, writer, names)
    kept = graph.output[1:] if graph.output[:1] == (1,) else graph.output
    writer.output("y", result, FLOAT, [BATCH, *kept])
    session = onnxruntime.InferenceSession(
        writer.model(PRODUCER, {}).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], dict(zip(names, inputs, strict=True)))[0]


def same_pads(length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max((-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length, 0)
    return total // 2, total - total // 2


def windows(image: np.ndarray, size: tuple[int, int], stride: int, dilation: int, fill: float, same: bool):
    """Yields row, column and window [batch, height, width, channels] of an image of that layout."""
    if same:
        rows = same_pads(image.shape[1], size[0], stride, dilation)
        columns = same_pads(image.shape[2], size[1], stride, dilation)
        image = np.pad(image, ((0, 0), rows, columns, (0, 0)), constant_values=fill)
    reach = [(n - 1) * dilation + 1 for n in size]
    for row in range((image.shape[1] - reach[0]) // stride + 1):
        for column in range((image.shape[2] - reach[1]) // stride + 1):
            top, left = row * stride, column * stride
            yield (row, column, image[:, top : top + reach[0] : dilation, left : left + reach[1] : dilation])


@pytest.mark.parametrize(
    ("same", "stride", "dilation", "relu"), [(True, 1, 1, 0), (True, 2, 1, 1), (False, 2, 1, 0), (True, 1, 2, 1)]
)
def test_convolution(same: bool, stride: int, dilation: int, relu: int) -> None:
    x, kernel, bias = values(BATCH_SIZE, 6, 7, 3), values(4, 3, 2, 3), values(4)
    expected = {
        (row, column): np.tensordot(window, kernel, ([1, 2, 3], [1, 2, 3])) + bias
        for row, column, window in windows(x, (3, 2), stride, dilation, 0.0, same)
    }
    height, width = (index + 1 for index in max(expected))
    result = np.stack([[expected[r, c] for c in range(width)] for r in range(height)]).transpose(2, 0, 1, 3)
    options = {0: Scalar(BYTE, 0 if same else 1), 1: Scalar(INT, stride), 2: Scalar(INT, stride),
               3: Scalar(BYTE, relu), 4: Scalar(INT, dilation), 5: Scalar(INT, dilation)}  # fmt: skip
    graph = TinyGraph(Builtin.CONV_2D, [(1, 6, 7, 3), kernel, bias], (1, height, width, 4), options)
    np.testing.assert_allclose(run(graph, x), np.maximum(result, 0) if relu else result, atol=1e-5)


def test_pointwise_convolution_of_a_table_is_a_matrix_product() -> None:
    x, kernel, bias = values(BATCH_SIZE, 2, 3, 4), values(5, 1, 1, 4), values(5)
    options = {1: Scalar(INT, 1), 2: Scalar(INT, 1)}
    graph = TinyGraph(Builtin.CONV_2D, [(1, 2, 3, 4), kernel, bias], (1, 2, 3, 5), options)
    np.testing.assert_allclose(run(graph, x), x @ kernel[:, 0, 0].T + bias, atol=1e-5)


def test_depthwise_convolution() -> None:
    x, kernel, bias = values(BATCH_SIZE, 5, 5, 3), values(1, 3, 3, 3), values(3)
    expected = np.zeros((BATCH_SIZE, 3, 3, 3), np.float32)
    for row, column, window in windows(x, (3, 3), 2, 1, 0.0, same=True):
        expected[:, row, column] = (window * kernel).sum((1, 2)) + bias
    options = {1: Scalar(INT, 2), 2: Scalar(INT, 2), 3: Scalar(INT, 1)}
    graph = TinyGraph(Builtin.DEPTHWISE_CONV_2D, [(1, 5, 5, 3), kernel, bias], (1, 3, 3, 3), options)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


def test_max_pool() -> None:
    x = values(BATCH_SIZE, 5, 6, 2)
    expected = np.zeros((BATCH_SIZE, 3, 3, 2), np.float32)
    for row, column, window in windows(x, (2, 2), 2, 1, -np.inf, same=True):
        expected[:, row, column] = window.max((1, 2))
    options = {1: Scalar(INT, 2), 2: Scalar(INT, 2), 3: Scalar(INT, 2), 4: Scalar(INT, 2)}
    np.testing.assert_array_equal(
        run(TinyGraph(Builtin.MAX_POOL_2D, [(1, 5, 6, 2)], (1, 3, 3, 2), options), x), expected
    )


def test_parametric_relu_keeps_float32_slopes() -> None:
    x, slope = values(BATCH_SIZE, 3, 3, 4), np.array([[[0.1, 0.9999, -0.3, 1.7]]], np.float32)
    for slopes in (slope, np.minimum(slope, 1)):
        result = run(TinyGraph(Builtin.PRELU, [(1, 3, 3, 4), slopes], (1, 3, 3, 4)), x)
        np.testing.assert_allclose(result, np.where(x > 0, x, slopes * x), atol=1e-6)


def test_pad() -> None:
    x, amounts = values(BATCH_SIZE, 2, 2, 3), np.array([[0, 0], [1, 0], [0, 2], [0, 4]], np.int32)
    result = run(TinyGraph(Builtin.PAD, [(1, 2, 2, 3), amounts], (1, 3, 4, 7)), x)
    np.testing.assert_array_equal(result, np.pad(x, amounts))


UNARY = {
    Builtin.RELU: lambda x: np.maximum(x, 0),
    Builtin.LOGISTIC: lambda x: 1 / (1 + np.exp(-x)),
    Builtin.NEG: np.negative,
    Builtin.SQRT: np.sqrt,
    Builtin.RSQRT: lambda x: 1 / np.sqrt(x),
}


@pytest.mark.parametrize("code", UNARY)
def test_unary(code: Builtin) -> None:
    x = values(BATCH_SIZE, 3, 4)
    x = np.abs(x) if code in (Builtin.SQRT, Builtin.RSQRT) else x
    np.testing.assert_allclose(run(TinyGraph(code, [(1, 3, 4)], (1, 3, 4)), x), UNARY[code](x), rtol=1e-5)


BINARY = {
    Builtin.ADD: np.add,
    Builtin.SUB: np.subtract,
    Builtin.MUL: np.multiply,
    Builtin.DIV: np.divide,
    Builtin.SQUARED_DIFFERENCE: lambda a, b: (a - b) ** 2,
}


@pytest.mark.parametrize("code", BINARY)
@pytest.mark.parametrize("shape", [(4,), (1, 3, 4), (), (1, 2, 3, 4)])
def test_binary_with_broadcast_constant(code: Builtin, shape: tuple[int, ...]) -> None:
    x, constant = values(BATCH_SIZE, 2, 3, 4), np.asarray(values(*shape) + 3, np.float32)
    result = run(TinyGraph(code, [(1, 2, 3, 4), constant], (1, 2, 3, 4)), x)
    np.testing.assert_allclose(result, BINARY[code](x, constant), rtol=1e-5, atol=1e-6)


def test_binary_of_two_variables_with_fused_relu() -> None:
    a, b = values(BATCH_SIZE, 3), values(BATCH_SIZE, 4)[:, :3]
    graph = TinyGraph(Builtin.SUB, [(1, 3), (1, 3)], (1, 3), {0: Scalar(BYTE, 1)})
    np.testing.assert_array_equal(run(graph, a, b), np.maximum(a - b, 0))


@pytest.mark.parametrize(("code", "reduce"), [(Builtin.MEAN, np.mean), (Builtin.SUM, np.sum)])
@pytest.mark.parametrize("keep", [0, 1])
def test_reductions(code: Builtin, reduce, keep: int) -> None:
    x = values(BATCH_SIZE, 3, 4)
    shape = (1, 3, 1) if keep else (1, 3)
    graph = TinyGraph(code, [(1, 3, 4), np.array([-1], np.int32)], shape, {0: Scalar("B", keep)})
    np.testing.assert_allclose(run(graph, x), reduce(x, axis=-1, keepdims=bool(keep)), rtol=1e-5, atol=1e-6)


def test_a_constant_token_is_repeated_along_the_batch() -> None:
    x, token = values(BATCH_SIZE, 3, 4), values(1, 1, 4)
    result = run(TinyGraph(Builtin.CONCATENATION, [token, (1, 3, 4)], (1, 4, 4), {0: Scalar(INT, 1)}), x)
    np.testing.assert_array_equal(result, np.concatenate([np.repeat(token, BATCH_SIZE, 0), x], 1))


def test_concatenation_of_variables_with_negative_axis() -> None:
    a, b = values(BATCH_SIZE, 3), values(BATCH_SIZE, 2)
    result = run(TinyGraph(Builtin.CONCATENATION, [(1, 3), (1, 2)], (1, 5), {0: Scalar(INT, -1)}), a, b)
    np.testing.assert_array_equal(result, np.concatenate([a, b], 1))


def test_reshape_and_transpose_leave_the_batch() -> None:
    x = values(BATCH_SIZE, 2, 6)
    target = np.array([1, 3, 4], np.int32)
    np.testing.assert_array_equal(
        run(TinyGraph(Builtin.RESHAPE, [(1, 2, 6), target], (1, 3, 4)), x), x.reshape(BATCH_SIZE, 3, 4)
    )
    order = np.array([0, 2, 1], np.int32)
    np.testing.assert_array_equal(
        run(TinyGraph(Builtin.TRANSPOSE, [(1, 2, 6), order], (1, 6, 2)), x), x.transpose(0, 2, 1)
    )


def slice_graph(start, stop, step, shape, output, **masks: int) -> TinyGraph:
    options = {{"begin": 0, "end": 1, "new": 3, "drop": 4}[name]: Scalar(INT, bits) for name, bits in masks.items()}
    constants = [np.array(part, np.int32) for part in (start, stop, step)]
    return TinyGraph(Builtin.STRIDED_SLICE, [shape, *constants], output, options)


def test_strided_slice() -> None:
    x = values(BATCH_SIZE, 5, 6)
    graph = slice_graph([0, 1, 9], [1, 5, 4], [1, 2, 1], (1, 5, 6), (1, 2, 4), begin=0b100)
    np.testing.assert_array_equal(run(graph, x), x[:, 1:5:2, :4])
    dropped = slice_graph([0, 2, 0], [0, 0, 6], [1, 1, 1], (1, 5, 6), (1, 6), begin=1, end=1, drop=0b010)
    np.testing.assert_array_equal(run(dropped, x), x[:, 2])


def test_a_result_that_drops_the_batch_keeps_it() -> None:
    x = values(BATCH_SIZE, 6)
    graph = slice_graph([0, 0], [1, 6], [1, 1], (1, 6), (6,), drop=0b01)
    np.testing.assert_array_equal(run(graph, x), x)


def test_half_precision_weights_are_widened() -> None:
    weights = values(1, 4).astype(np.float16)
    x = values(BATCH_SIZE, 4)
    result = run(TinyGraph(Builtin.ADD, [(1, 4), weights], (1, 4)), x)
    np.testing.assert_allclose(result, x + weights.astype(np.float32), rtol=1e-6)


def test_dequantize_is_done_at_conversion() -> None:
    # The constant becomes the result's value; nothing else runs.
    weights = np.linspace(-1, 1, 4, dtype=np.float16).reshape(1, 4)
    parsed = read_graph(TinyGraph(Builtin.DEQUANTIZE, [weights], (1, 4)).data())
    writer = face_graph("tiny")
    writer.output("y", translate(parsed, writer, [])[0], FLOAT, [1, 4])
    session = onnxruntime.InferenceSession(
        writer.model(PRODUCER, {}).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    np.testing.assert_array_equal(session.run(None, {})[0], weights.astype(np.float32))


def test_every_operator_has_a_rule() -> None:
    quantised = {
        Builtin.AVERAGE_POOL_2D,
        Builtin.SOFTMAX,
        Builtin.QUANTIZE,
    }  # of image networks, whose weights alone are read
    assert set(RULES) == set(Builtin) - quantised


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (TinyGraph(Builtin.ADD, [(1, 2), (1, 2)], (1, 2), {0: Scalar(BYTE, 4)}), "activation"),
        (TinyGraph(Builtin.TRANSPOSE, [(1, 2), np.array([1, 0], np.int32)], (2, 1)), "batch"),
        (TinyGraph(Builtin.MEAN, [(1, 2), np.array([0], np.int32)], (2,)), "batch"),
        (TinyGraph(Builtin.RESHAPE, [(1, 4), np.array([2, 2], np.int32)], (2, 2)), "batch"),
        (TinyGraph(Builtin.CONCATENATION, [(1, 2), (1, 2)], (2, 2)), "batch"),
        (slice_graph([0, 0], [1, 2], [1, -1], (1, 2), (1, 2)), "stride"),
        (slice_graph([0, 0], [1, 2], [1, 1], (1, 2), (1, 2), new=1), "new axis"),
        (TinyGraph(Builtin.TRANSPOSE, [(1, 2), (1, 2)], (1, 2)), "constant"),
        (TinyGraph(Builtin.DEQUANTIZE, [np.zeros((1, 4), np.int8)], (1, 4)), "half-precision"),
    ],
)
def test_what_cannot_be_translated_is_refused(graph: TinyGraph, reason: str) -> None:
    parsed = read_graph(graph.data())
    writer = face_graph("tiny")
    names = [writer.input(f"x{number}", FLOAT, [BATCH, 2]) for number in parsed.inputs]
    with pytest.raises(TFLiteError, match=reason):
        translate(parsed, writer, names)
