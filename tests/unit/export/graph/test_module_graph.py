"""Rules from PyTorch's layers to ONNX that single networks use, each against PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn

from export.graph.builder import FLOAT, GraphBuilder
from export.graph.end_padding import EndPaddedConv2d
from export.graph.module_graph import UnknownStep, write_module
from service.pipeline.device.session import Session

EDGE = 13


def run(module: nn.Module, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of the graph and of PyTorch."""
    module = nn.Sequential(module)
    torch.manual_seed(0)
    tensors = {key: torch.rand_like(value) + 0.5 for key, value in module.state_dict().items() if value.ndim}
    module.load_state_dict(tensors, strict=False)
    with torch.inference_mode():
        expected = module.eval()(torch.from_numpy(given)).numpy()
    builder = GraphBuilder("tests")
    value = builder.input("x", FLOAT, ["batch", 3, EDGE, EDGE])
    arrays = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    value = write_module(builder, module.to("meta"), arrays, value, EDGE)
    builder.output("y", value, FLOAT, ["batch", *expected.shape[1:]])
    session = Session(builder.model("tests", {}).SerializeToString(), device="cpu")
    return session.run({"x": given}, ("y",))["y"], expected


@pytest.mark.parametrize(
    "module",
    [
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(3, 2, 1),
        nn.AvgPool2d(2, 2, padding=1),
        nn.AdaptiveAvgPool2d((2, 2)),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d(EDGE),
        nn.LocalResponseNorm(5, alpha=0.1, beta=0.75, k=1.0),
        nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU6()),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3, groups=3, dilation=2)),
        nn.Sequential(EndPaddedConv2d.like(nn.Conv2d(3, 4, 3, stride=2, padding=1))),
        nn.Sequential(nn.Flatten(), nn.Linear(3 * EDGE * EDGE, 5), nn.Dropout(), nn.ReLU()),
    ],
    ids=lambda module: type(module).__name__,
)
def test_layers(module):
    given = np.random.default_rng(1).standard_normal((2, 3, EDGE, EDGE)).astype(np.float32)
    found, expected = run(module, given)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_padding_at_the_end_is_not_padding_on_both_sides():
    layer = nn.Conv2d(3, 4, 3, stride=2, padding=1)
    other = EndPaddedConv2d.like(layer)
    other.load_state_dict(layer.state_dict())
    x = torch.rand(1, 3, 8, 8)
    shifted = nn.functional.pad(x, (0, 1, 0, 1))
    expected = nn.functional.conv2d(shifted, layer.weight, layer.bias, stride=2)
    assert torch.equal(other(x), expected)
    assert not torch.allclose(other(x), layer(x))


class Unknown(nn.Module):
    def forward(self, x):
        return torch.sin(x)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Unknown(), "function sin"),
        (nn.Sequential(nn.Softplus()), "layer Softplus"),
        (nn.AdaptiveAvgPool2d(5), "windows of several sizes"),
    ],
)
def test_what_has_no_rule_is_named(module, reason):
    builder = GraphBuilder("tests")
    value = builder.input("x", FLOAT, ["batch", 3, EDGE, EDGE])
    with pytest.raises(UnknownStep, match=reason):
        write_module(builder, nn.Sequential(module), {}, value, EDGE)


def test_a_norm_that_two_read_is_not_folded():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)

        def forward(self, x):
            x = self.conv(x)
            return self.norm(x) + x

    given = np.random.default_rng(2).standard_normal((1, 3, EDGE, EDGE)).astype(np.float32)
    found, expected = run(Shared(), given)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
