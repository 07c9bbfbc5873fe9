import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph.precision import STEPS, reduced
from service.pipeline.device.session import Session

RANDOM = np.random.default_rng(0)
STEPS_IN, WIDTH, UNITS = 7, 40, 32


def graph_of(nodes, weights, shape, inputs=()):
    """A graph 'x' → 'y' of some nodes."""
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "layers",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), *inputs],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 10
    return model


def normal(*shape):
    """Weights whose outputs differ in size, so that one scale for all would not do."""
    values = RANDOM.normal(0, 1, shape)
    return values * 10.0 ** RANDOM.uniform(
        -2, 0, (1, shape[1], *[1] * (len(shape) - 2)) if len(shape) > 2 else (1, shape[1])
    )


LAYERS = {  # node, weights, shape of what it takes, axis of the weights along which it is taken, weights of one scale
    "MatMul": (helper.make_node("MatMul", ["x", "w"], ["y"]), {"w": normal(WIDTH, UNITS)}, [STEPS_IN, WIDTH], 0, 8),
    "Gemm": (
        helper.make_node("Gemm", ["x", "w"], ["y"], transB=1),
        {"w": normal(WIDTH, UNITS).T.copy()},
        [STEPS_IN, WIDTH],
        1,
        8,
    ),
    "Conv": (
        helper.make_node("Conv", ["x", "w"], ["y"]),
        {"w": normal(WIDTH, UNITS).T.reshape(UNITS, 8, 5).copy()},
        [1, 8, 60],
        1,
        8,
    ),
    "LSTM": (
        helper.make_node("LSTM", ["x", "w", "r"], ["all", "y"], hidden_size=8),
        {"w": normal(1, UNITS, WIDTH), "r": normal(1, UNITS, 8)},
        [STEPS_IN, 1, WIDTH],
        2,
        8,
    ),
}


def answer(model, shape):
    x = np.random.default_rng(1).normal(0, 0.3, shape).astype(np.float32)
    return Session(model.SerializeToString(), device="cpu").run({"x": x}, ("y",))["y"]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_answers_as_with_rounded_weights(layer, precision):
    node, weights, shape, axis, block = LAYERS[layer]
    model = graph_of([node], weights, shape)
    small = reduced(model, precision)
    (stored,) = [tensor for tensor in small.graph.initializer if tensor.name == f"w.{precision}"]
    assert stored.data_type == (TensorProto.FLOAT16 if precision == "fp16" else TensorProto.INT8)
    values = weights["w"].astype(np.float32)
    if precision == "fp16":
        rounded = values.astype(np.float16).astype(np.float32)
    else:
        parts = np.stack(np.split(values, values.shape[axis] // block, axis))
        scale = np.abs(parts).max(axis=axis + 1, keepdims=True) / STEPS
        assert (np.abs(np.rint(parts / scale) * scale - parts) <= scale / 2 * 1.001).all()
        rounded = np.concatenate(list(np.rint(parts / scale) * scale), axis)
        assert np.abs(rounded - values).max() > 0
    expected = answer(graph_of([node], weights | {"w": rounded}, shape), shape)
    assert answer(small, shape) == pytest.approx(expected, abs=1e-5)
    assert {tensor.name for tensor in model.graph.initializer} == set(weights)  # the first graph is as it was


def test_front_ends_small_tensors_and_inputs_stay_exact():
    weights = {"fourier_kernels": normal(UNITS, 64), "bias": normal(1, UNITS), "given": normal(64, 64)}
    nodes = [
        helper.make_node("MatMul", ["x", "fourier_kernels"], ["a"]),
        helper.make_node("Add", ["a", "bias"], ["b"]),
        helper.make_node("MatMul", ["b", "given"], ["y"]),
    ]
    model = graph_of(nodes, weights, [1, UNITS], [helper.make_tensor_value_info("given", TensorProto.FLOAT, [64, 64])])
    with pytest.raises(ValueError, match="no float32 weights that could be stored in fewer bits"):
        reduced(model, "int8")


def test_weights_inside_a_loop_are_reduced_too():
    body = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["row"]), helper.make_node("Identity", ["on"], ["on_still"])],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("on_still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("row", TensorProto.FLOAT, [STEPS_IN, UNITS]),
        ],
    )
    model = graph_of(
        [helper.make_node("Loop", ["count", ""], ["y"], body=body)], {"w": normal(WIDTH, UNITS)}, [STEPS_IN, WIDTH]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.int64(2), "count"))
    small = reduced(model, "int8")
    assert answer(small, [STEPS_IN, WIDTH]) == pytest.approx(answer(model, [STEPS_IN, WIDTH]), abs=0.05)


def test_a_weight_beyond_half_precision_is_refused():
    model = graph_of([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": 1e6 * normal(WIDTH, UNITS)}, [1, WIDTH])
    with pytest.raises(ValueError, match="is too large for half precision"):
        reduced(model, "fp16")
