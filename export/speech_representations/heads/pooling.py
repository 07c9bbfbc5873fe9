"""Pooling of states over time, by mean, attention or GRU; what lies beyond a clip changes nothing.

Every kind takes states float32 [batch, steps, width] and a mask float32 [batch, steps], 1 where a step counts, and
gives float32 [batch, size].
"""

import torch
from torch import Tensor, nn

from export.speech_representations.recogniser.two_way_gru import TwoWayGru, turning

Layers = tuple[Tensor, Tensor]
"""An encoder's states of all layers, float32 [batch, steps, layers, width], and the mask."""


class Pooling(nn.Module):
    """Base of the kinds.

    Attributes:
        size: numbers that are given for a clip.
    """

    size: int


class MeanPooling(Pooling):
    """Mean over the steps that count (B15)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = width

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """See the module."""
        return masked_mean(states, mask)


class AttentionPooling(Pooling):
    """Mean weighted by e = uᵀ tanh(W x + b) behind a softmax over the steps that count (C14, without its λ).

    Args:
        units: rows of W.
    """

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.size = width
        self.hidden, self.score = nn.Linear(width, units), nn.Linear(units, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """See the module."""
        scores = self.score(torch.tanh(self.hidden(states)))[:, :, 0]
        shares = torch.softmax(scores + (1.0 - mask) * torch.finfo(scores.dtype).min, dim=1)
        return (states * shares[:, :, None]).sum(1)


class RecurrentPooling(Pooling):
    """GRU layers of two directions, side by side, and their mean over the steps that count (B14, B16).

    The backward direction begins at the last step that counts (G5).

    Args:
        units: of a direction.
        layers: one behind the other.
    """

    def __init__(self, width: int, units: int, layers: int = 1) -> None:
        super().__init__()
        self.size = 2 * units
        sizes = [width] + [2 * units] * (layers - 1)
        self.layers = nn.ModuleList(TwoWayGru(size, units, True) for size in sizes)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """See the module."""
        x = states.transpose(0, 1)
        place = torch.arange(1, x.shape[0] + 1, device=mask.device)
        turned, _ = turning(x.shape[0], (mask * place).amax(1).long())
        for layer in self.layers:
            x = torch.cat(layer(x, turned), dim=2)
        return masked_mean(x.transpose(0, 1), mask)


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps that count, float32 [batch, width]."""
    return (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1.0)
