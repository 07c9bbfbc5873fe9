"""Networks A to E and the AVEC baseline: their shapes, the fold of B to D, their graphs."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.affect.avec_lstm import AvecLstm
from export.affect.bundle import run_graph
from export.affect.graph import affect_graph
from export.affect.shallow_cnn import ConvolutionStack, OneFilter, OneFilterDense, fold, same_padding
from service.pipeline.affect.attribution import answers, read_affect_filter


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def features(batch=2, steps=150, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (batch, steps, 37)).astype(np.float32))


def test_sizes_are_those_of_the_paper():
    assert ConvolutionStack().receptive_field == 102
    assert parameters(OneFilter()) == 3701
    assert parameters(OneFilterDense()) == 3703
    assert same_padding(100) == (49, 50)
    assert same_padding(5) == (2, 2)


@pytest.mark.parametrize("network", [ConvolutionStack, OneFilter, OneFilterDense, AvecLstm])
@pytest.mark.parametrize("steps", [1, 30, 150])
def test_one_answer_a_step(network, steps):
    assert network().eval()(features(3, steps)).shape == (3, steps)


def test_linear_b_folds_to_d_exactly():
    network = OneFilterDense().eval()
    with torch.no_grad():
        network.dense.weight.fill_(-1.7)
        network.dense.bias.fill_(0.3)
        network.inner.convolution.bias.fill_(0.2)
        folded = fold(network)
        # exact in real numbers: in float64 only the rounding of the stored float32 weights is left
        expected, got = network.double()(features().double()), folded.double()(features().double())
        np.testing.assert_allclose(got, expected, atol=2e-6)
        np.testing.assert_allclose(fold(network.float()).float()(features()), network(features()), atol=1e-5)
    assert folded.convolution.bias.item() == pytest.approx(0.2 * -1.7 + 0.3)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_b_with_an_activation_cannot_be_folded(activation):
    with pytest.raises(ValueError, match="linear"):
        fold(OneFilterDense(activation))


def test_e_sees_its_columns_alone():
    network = OneFilter([0, 21, 36])
    loss = network(features()).square().sum()
    loss.backward()
    assert network.convolution.weight.grad.abs().sum(dim=(0, 2)).nonzero().flatten().tolist() == [0, 21, 36]
    changed = features()
    changed[..., 5] += 10
    assert torch.equal(network(changed), network(features()))


def test_keras_span_in_torch_and_in_the_service_is_one():
    network = OneFilter().eval()
    sequence = features(1)
    graph = affect_graph(network)
    model = read_affect_filter(graph.SerializeToString())
    out = network(sequence)[0].detach().numpy()
    np.testing.assert_allclose(answers(sequence[0].numpy(), model), out, atol=1e-5)
    impulse = torch.zeros(1, 200, 37)
    impulse[0, 100] = 1.0
    base = network(torch.zeros(1, 200, 37))
    heard = ((network(impulse) - base)[0].abs() > 1e-7).nonzero().flatten()
    assert (heard[0].item(), heard[-1].item()) == (50, 149)


def random_lstm():
    network = AvecLstm(torch.rand(37), torch.rand(37) + 0.5)
    with torch.no_grad():
        for layer in network.layers:
            layer.bias_hh_l0.uniform_(-0.3, 0.3)
    return network


@pytest.mark.parametrize("network", [ConvolutionStack, OneFilter, lambda: OneFilter([1, 2]), random_lstm])
def test_graphs_equal_torch_for_any_batch(network):
    module = network().eval()
    graph = affect_graph(module)
    sequence = features(3) * 0.5
    sequence[2, 100:] = 0.0  # padding
    with torch.no_grad():
        expected = module(sequence).clamp(-1, 1).numpy()
    np.testing.assert_allclose(run_graph(graph, sequence.numpy()), expected, atol=1e-5)
    np.testing.assert_allclose(run_graph(graph, sequence[1:2].numpy())[0], expected[1], atol=1e-5)


def test_the_filter_is_readable_by_name():
    network = OneFilter([3])
    graph = affect_graph(network.eval())
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    assert tensors["filter"].shape == (1, 37, 100)
    assert tensors["bias"].shape == (1,)
    assert not tensors["filter"][0, 4].any()
    assert read_affect_filter(affect_graph(ConvolutionStack()).SerializeToString()) is None
    assert [value.name for value in graph.graph.input] == ["features"]
    assert [value.name for value in graph.graph.output] == ["affect"]
    onnx.checker.check_model(graph)


def test_unfolded_networks_have_no_graph():
    with pytest.raises(TypeError):
        affect_graph(OneFilterDense())


def test_lstm_without_dropout_equals_torchs_own_layers():
    network = AvecLstm(dropout=1e-12)
    sequence = features(2, 20)
    trained = network.train()(sequence)
    np.testing.assert_allclose(trained.detach(), network.eval()(sequence).detach(), atol=1e-5)
    assert parameters(network) == (4 * 64 * (37 + 64 + 2)) + (4 * 32 * (64 + 32 + 2)) + 33


def test_lstm_does_not_see_the_future():
    network = AvecLstm().eval()
    sequence, changed = features(1, 50), features(1, 50)
    changed[:, 30:] = 3.0
    difference = (network(sequence) - network(changed)).abs()[0]
    assert difference[:30].max() == 0.0
    assert difference[30:].max() > 0.0
