import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.graph.builder import GraphBuilder
from export.graph.integer_lstm import INTEGER_LSTM, LARGEST_PAIR, integer_lstm
from export.graph.recurrent import write_lstm
from service.pipeline.device.session import Session

BANDS, UNITS, STEPS = 40, 64, 120


def stack_of(layers):
    """LSTM layers one upon another, 'x' → the outputs of each; weights as large as trained ones."""
    torch.manual_seed(0)
    graph = GraphBuilder("stack")
    x = graph.input("x", onnx.TensorProto.FLOAT, ["steps", "batch", BANDS])
    x = graph.add("Mul", x, graph.add("ReduceSum", x, graph.constant([2])))
    for number in range(layers):
        layer = nn.LSTM(BANDS if number == 0 else UNITS, UNITS)
        with torch.no_grad():
            for weight in layer.parameters():
                weight.mul_(3)
        x = write_lstm(graph, x, f"layers.{number}", layer)
        graph.output(f"y{number}", x, onnx.TensorProto.FLOAT, ["steps", "batch", UNITS])
    return graph.model("tests", {})


def run(model, x):
    session = Session(model.SerializeToString(), device="cpu")
    return session.run({"x": x}, session.output_names)


def spectra(loudness):
    """Recordings of different loudness, float32 [STEPS, recordings, BANDS]."""
    drawn = np.random.default_rng(1).exponential(0.1, (STEPS, len(loudness), BANDS))
    return (drawn * np.array(loudness)[None, :, None]).astype(np.float32)


def test_layers_upon_another_answer_nearly_as_in_float32():
    model, x = stack_of(3), spectra([0.1, 1.0])
    whole = integer_lstm(model)
    assert [node.op_type for node in whole.graph.node if "LSTM" in node.op_type] == [
        "LSTM",
        *2 * ["DynamicQuantizeLSTM"],
    ]
    full, small = run(model, x), run(whole, x)
    assert small["y0"] == pytest.approx(full["y0"], abs=1e-6)  # it takes no other layer's outputs
    for name in ("y1", "y2"):
        assert small[name].shape == full[name].shape
        assert np.corrcoef(small[name].ravel(), full[name].ravel())[0, 1] > 0.999
        assert 1e-4 < np.abs(small[name] - full[name]).max() < 0.1


def test_an_answer_depends_on_no_other_recording_of_its_batch():
    whole, x = integer_lstm(stack_of(3)), spectra([0.01, 1.0, 3.0, 0.3, 10.0])
    together = run(whole, x)
    for number in range(x.shape[1]):
        alone = run(whole, x[:, [number]])
        for name in together:
            assert together[name][:, [number]] == pytest.approx(alone[name], abs=1e-6)


def test_sums_of_two_products_fit_into_16_bits():
    whole = integer_lstm(stack_of(2))
    stored = [
        numpy_helper.to_array(one)[0].astype(int) for one in whole.graph.initializer if one.name.endswith(".int8")
    ]
    assert len(stored) == 2
    for weights in stored:  # [taken, rows]
        pairs = weights.reshape(-1, 2, weights.shape[1])
        assert np.maximum(pairs, 0).sum(axis=1).max() <= LARGEST_PAIR
        assert np.maximum(-pairs, 0).sum(axis=1).max() <= LARGEST_PAIR
        assert np.abs(weights).max() > LARGEST_PAIR / 2  # and none of the range is given away


def test_a_layer_alone_is_left_as_it_is():
    model = stack_of(1)
    assert integer_lstm(model) == model


def test_a_layer_with_lengths_is_left_as_it_is():
    mixed = stack_of(3)
    (first,) = [node for node in mixed.graph.node if node.op_type == "LSTM" and node.input[1] == "layers.0.W"]
    first.output.append("last")  # no plain layer either
    whole = integer_lstm(mixed)
    assert [node.op_type for node in whole.graph.node if "LSTM" in node.op_type] == ["LSTM", "LSTM", INTEGER_LSTM]
    assert run(whole, spectra([0.1, 1.0]))["y1"] == pytest.approx(run(mixed, spectra([0.1, 1.0]))["y1"], abs=1e-6)
    model = stack_of(2)
    (second,) = [node for node in model.graph.node if node.op_type == "LSTM" and node.input[1] == "layers.1.W"]
    model.graph.initializer.append(numpy_helper.from_array(np.array([STEPS], np.int32), "lengths"))
    second.input.append("lengths")
    assert integer_lstm(model) == model
