"""The encoder of emotion2vec (Ma et al. 2024), layer by layer, so that padding changes nothing.

Convolutions on samples, convolutional positions, extra tokens before the first step, and a transformer whose attention
falls with distance (ALiBi, Press et al. 2022): a slope for each head times a learned scale. It is data2vec 2.0's; every
step knows where its clip ends.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.published.encoders import States, attention_bias, convolved
from export.published.front_ends import within


@dataclass(frozen=True)
class Sizes:
    """Sizes and kinds of one encoder of the family.

    Attributes:
        convolutions: width, kernel and stride of each convolution on samples.
        is_layer_normed: whether each of them has a norm over its width; otherwise the first has one over time.
        width: of a state.
        heads, depth, ratio: of the transformer; ``ratio`` is the width of its dense layers over that of a state.
        first_depth: how many of the ``depth`` blocks are the publisher's first encoder.
        norm_first: whether norms come before attention and dense layers.
        epsilon: of those norms.
        extra: tokens before the first step.
        scales: shape of the learned scale, [1 or depth, 1, 1 or heads, 1, 1]; None without ALiBi.
        position_kernel, position_groups, position_depth: of the convolutional positions.
    """

    convolutions: tuple[tuple[int, int, int], ...]
    is_layer_normed: bool
    width: int
    heads: int
    depth: int
    ratio: float
    first_depth: int
    norm_first: bool
    epsilon: float
    extra: int
    scales: tuple[int, ...] | None
    position_kernel: int
    position_groups: int
    position_depth: int


class _Convolution(nn.Module):
    def __init__(self, channels: int, width: int, kernel: int, stride: int, norm: nn.Module | None) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, width, kernel, stride, bias=False)
        self.layer_norm, self.activation = norm, nn.GELU()


class _Block(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width, sizes.epsilon), nn.LayerNorm(width, sizes.epsilon)
        hidden = int(width * sizes.ratio)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self._heads, self._norm_first = sizes.heads, sizes.norm_first

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        if self._norm_first:
            # The publisher's block has no way around its dense layers here: their answer is added to itself.
            return 2.0 * self._dense(self.norm2(x + self._attention(self.norm1(x), bias)))
        x = self.norm1(x + self._attention(x, bias))
        return self.norm2(x + self._dense(x))

    def _attention(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, steps, width = x.shape
        parts = self.qkv(x).reshape(batch, steps, 3, self._heads, width // self._heads).permute(2, 0, 3, 1, 4)
        scores = parts[0] @ parts[1].transpose(2, 3) * (width // self._heads) ** -0.5 + bias
        return self.out((torch.softmax(scores, dim=3) @ parts[2]).transpose(1, 2).reshape(batch, steps, width))

    def _dense(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Emotion2vecEncoder(nn.Module):
    """Samples and lengths to states."""

    slopes: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        layers, channels = [], 1
        for place, (width, kernel, stride) in enumerate(sizes.convolutions):
            over_time = None if place else nn.GroupNorm(width, width)
            norm = nn.LayerNorm(width) if sizes.is_layer_normed else over_time
            layers.append(_Convolution(channels, width, kernel, stride, norm))
            channels = width
        self.convolutions = nn.ModuleList(layers)
        self.feature_norm, self.projection = nn.LayerNorm(channels), nn.Linear(channels, sizes.width)
        self.positions = nn.ModuleList(
            nn.Conv1d(
                sizes.width,
                sizes.width,
                sizes.position_kernel,
                padding=sizes.position_kernel // 2,
                groups=sizes.position_groups,
            )
            for _ in range(sizes.position_depth)
        )
        self.extra = nn.Parameter(torch.zeros(1, sizes.extra, sizes.width)) if sizes.extra else None
        self.scale = None if sizes.scales is None else nn.Parameter(torch.ones(sizes.scales))
        self.norm = nn.LayerNorm(sizes.width, sizes.epsilon)
        self.blocks = nn.ModuleList(_Block(sizes) for _ in range(sizes.depth))
        self.register_buffer("slopes", torch.tensor(slopes(sizes.heads))[:, None, None], persistent=False)

    def forward(self, samples: Tensor, lengths: Tensor) -> States:
        """Last states float32 [batch, steps, width] without the extra tokens, and the steps of each clip."""
        x, steps = samples[:, None], lengths
        for layer in self.convolutions:
            x, steps = convolved(layer, x, steps)
        inside = within(x.shape[2], steps)
        x = self.projection(self.feature_norm(x.transpose(1, 2))) * inside[:, :, None]
        x = x + self._positions(x, inside)
        falling = self._falling(x.shape[1])
        if self.extra is not None:
            x = torch.cat([self.extra.expand(x.shape[0], -1, -1), x], dim=1)
            inside = torch.cat([torch.ones_like(inside[:, :1]).expand(-1, self.sizes.extra), inside], dim=1)
        masked = attention_bias(inside)
        x = x if self.sizes.norm_first else self.norm(x)
        for place, block in enumerate(self.blocks):
            x = block(x, masked if falling is None else masked + falling[min(place, len(falling) - 1)])
        x = self.norm(x) if self.sizes.norm_first else x
        return States([], x[:, self.sizes.extra :], steps)

    def _positions(self, x: Tensor, inside: Tensor) -> Tensor:
        x, inside = x.transpose(1, 2), inside[:, None]
        for layer in self.positions:
            x = layer(x)
            x = x[:, :, :-1] if self.sizes.position_kernel % 2 == 0 else x
            x = functional.layer_norm(x.transpose(1, 2), [self.sizes.width]).transpose(1, 2)
            x = functional.gelu(x) * inside
        return x.transpose(1, 2)

    def _falling(self, steps: int) -> list[Tensor] | None:
        """Added to the scores of each block, or of all, float32 [1, heads, steps, steps]; nothing at extra tokens."""
        if self.scale is None:
            return None
        place = torch.arange(steps)
        distance = (place[None, :] - place[:, None]).abs().to(self.slopes.dtype)
        bias = functional.pad(-self.slopes * distance, (self.sizes.extra, 0, self.sizes.extra, 0))
        return [bias * scale for scale in torch.clamp(self.scale, min=0.0)]


def slopes(heads: int) -> list[float]:
    """How steeply the attention of each head falls: powers of 2, from 2^(−8 / heads) on.

    Numbers of heads that are no power of 2 take those of the power below, then every second of the power above.
    """
    power = 2 ** math.floor(math.log2(heads))
    found = [2.0 ** (-8.0 * (place + 1) / power) for place in range(power)]
    return found if power == heads else found + slopes(2 * power)[0::2][: heads - power]
