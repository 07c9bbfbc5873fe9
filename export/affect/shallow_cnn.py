"""The shallowest CNN on action units: networks A to E (E11 to E15).

All take float32 [batch, steps, 37] and answer float32 [batch, steps]. Padding is that of Keras' SAME: an
even kernel of 100 reaches from t − 49 to t + 50 (F18).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

COLUMN_COUNT = 37
KERNEL = 100  # E12: 10 s at 10 Hz
#: E11; the number of filters is not printed, 32 is this project's choice.
STACK_KERNELS = (50, 30, 20, 5)
STACK_FILTERS = 32

Activation = Literal["linear", "relu", "tanh"]


def same_padding(kernel: int) -> tuple[int, int]:
    """Zeros before and after, of a SAME convolution with stride 1: (49, 50) for 100."""
    return (kernel - 1) // 2, kernel // 2


class ConvolutionStack(nn.Module):
    """Network A: four convolutions, then a dense layer on each step; sees 102 steps = 10.2 s (E11)."""

    def __init__(self, kernels: Sequence[int] = STACK_KERNELS, filters: int = STACK_FILTERS) -> None:
        super().__init__()
        widths = [COLUMN_COUNT, *[filters] * len(kernels)]
        self.layers = nn.ModuleList(
            nn.Conv1d(inward, outward, kernel)
            for inward, outward, kernel in zip(widths, widths[1:], kernels, strict=False)
        )
        self.dense = nn.Linear(filters, 1)

    @property
    def convolutions(self) -> list[nn.Conv1d]:
        """The layers in order."""
        return [layer for layer in self.layers if isinstance(layer, nn.Conv1d)]

    @property
    def receptive_field(self) -> int:
        """Steps that one answer depends on."""
        return sum(layer.kernel_size[0] - 1 for layer in self.convolutions) + 1

    def forward(self, features: Tensor) -> Tensor:
        """Map float32 [batch, steps, 37] to [batch, steps]."""
        signal = features.transpose(1, 2)
        for layer in self.convolutions:
            signal = functional.relu(layer(functional.pad(signal, same_padding(layer.kernel_size[0]))))
        return self.dense(signal.transpose(1, 2)).squeeze(-1)


class OneFilter(nn.Module):
    """Networks C, D and E: one filter (E13 to E15). ``columns`` may have weights (network E); None permits all."""

    allowed: Tensor

    def __init__(self, columns: Sequence[int] | None = None, kernel: int = KERNEL) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(COLUMN_COUNT, 1, kernel)
        nn.init.xavier_uniform_(self.convolution.weight)  # Keras' default
        assert self.convolution.bias is not None
        nn.init.zeros_(self.convolution.bias)
        allowed = torch.ones(COLUMN_COUNT) if columns is None else torch.zeros(COLUMN_COUNT)
        if columns is not None:
            allowed[list(columns)] = 1.0
        self.register_buffer("allowed", allowed[None, :, None])

    def filter(self) -> tuple[Tensor, Tensor]:
        """Weights [1, 37, kernel] and bias [1]: the whole network."""
        assert self.convolution.bias is not None
        return self.convolution.weight * self.allowed, self.convolution.bias

    def forward(self, features: Tensor) -> Tensor:
        """Map float32 [batch, steps, 37] to [batch, steps]."""
        return _one_filter(features, *self.filter())


class OneFilterDense(nn.Module):
    """Network B: one filter, then a dense layer of one weight on each step (E12).

    Only the ``activation`` 'linear' behind the convolution can be folded to network D.
    """

    def __init__(self, activation: Activation = "linear", kernel: int = KERNEL) -> None:
        super().__init__()
        self.inner = OneFilter(kernel=kernel)
        self.dense = nn.Linear(1, 1)
        nn.init.ones_(self.dense.weight)  # a random sign near 0 would only slow the start
        nn.init.zeros_(self.dense.bias)
        self.activation: Activation = activation

    def forward(self, features: Tensor) -> Tensor:
        """Map float32 [batch, steps, 37] to [batch, steps]."""
        signal = self.inner(features)
        if self.activation != "linear":
            signal = torch.relu(signal) if self.activation == "relu" else torch.tanh(signal)
        return self.dense(signal.unsqueeze(-1)).squeeze(-1)


def fold(network: OneFilterDense) -> OneFilter:
    """Network D: the single filter that equals a linear network B, folded in float64 (E14, G7).

    Raises:
        ValueError: the network is not linear.
    """
    if network.activation != "linear":
        raise ValueError("only a linear network B can be folded")
    with torch.no_grad():
        weights, bias = (tensor.double() for tensor in network.inner.filter())
        scale, offset = network.dense.weight[0, 0].double(), network.dense.bias.double()
        weights, bias = weights * scale, bias * scale + offset
        folded = OneFilter(kernel=weights.shape[-1])
        folded.convolution.weight.copy_(weights)
        assert folded.convolution.bias is not None
        folded.convolution.bias.copy_(bias)
    return folded.eval()


def _one_filter(features: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    padded = functional.pad(features.transpose(1, 2), same_padding(weights.shape[-1]))
    return functional.conv1d(padded, weights, bias).squeeze(1)
