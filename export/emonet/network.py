"""EmoNet: a small residual network with parallel residual adapters and two-dimensional attention (C9–C18).

Pictures are [batch, 1, bands, frames]. Clips of different length share a batch without touching each other: frames
beyond a clip are set to zero after every layer, are left out of the attention, and the frame count is padded to a
multiple of the total stride, so that strided windows start at the same places whatever the clip is batched with (F5).

TensorFlow's SAME padding places the windows of a stride of 2 by the parity of the length (G1): at an odd count of
frames they start one frame earlier, and the pooled mean leaves the padding out. Networks of the paper's recipe do so
for each clip of a batch by itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.corpora.labels import AROUSAL_LEVELS, VALENCE_LEVELS

STEM_CHANNELS = 32  # C9
STACK_CHANNELS = (64, 128, 256)  # C10
BLOCKS_PER_STACK = 2  # C10

LACKING = -1e9
"""Logit of a class that a domain's head lacks: its probability is 0 exactly."""


@dataclass(frozen=True)
class EmoNetConfig:
    """Shape of the network.

    Attributes:
        labels: classes of the head.
        domains: each has its own adapters and batch normalisation (C15).
        stem_kernel, stem_stride: 3 and 1 in the paper (C9); 5 and 2 halve both axes of a finer picture.
        adapters: whether there are any; without, the network is the scratch model of C5.
        attention_sharpness: λ of C14.
        block_dropout: before the second convolution of a block; with adapters on the adapter's input only (C17).
        head_dropout: C16.
        heads: classes of each domain's head; empty where every head has all ``labels``.
        plane: whether heads tell levels of arousal and valence too, which the paper's do not.
        same_ends: whether an odd count of frames is padded as TensorFlow's SAME does (G1).
        backbone: 'resnet', or 'vgg16' (C6), of which ``frozen_layers`` convolutions do not learn and which began with
            the weights ``base``; see :mod:`export.emonet.vgg16`.
    """

    labels: tuple[str, ...]
    domains: tuple[str, ...] = ("any",)
    stem_kernel: int = 3
    stem_stride: int = 1
    adapters: bool = True
    attention_sharpness: float = 0.3
    block_dropout: float = 0.5
    head_dropout: float = 0.2
    head_units: int = 128
    heads: tuple[tuple[str, ...], ...] = ()
    plane: bool = True
    same_ends: bool = False
    backbone: str = "resnet"
    frozen_layers: int = 0
    base: str = ""

    def classes(self, domain: str) -> tuple[str, ...]:
        """Classes of a domain's head, some or all of ``labels``."""
        return self.heads[self.domains.index(domain)] if self.heads else self.labels

    @property
    def time_stride(self) -> int:
        """Frames a step of the last feature map."""
        if self.backbone == "vgg16":
            return 2**5  # five poolings
        return self.stem_stride * 2 ** len(STACK_CHANNELS)

    def to_json(self) -> dict[str, object]:
        """A plain dictionary that :meth:`from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, object]) -> EmoNetConfig:
        """Inverse of :meth:`to_json`."""
        lists = {key: _as_tuple(value) for key, value in values.items()}
        return cls(**lists)  # type: ignore[arg-type]

    def to_text(self) -> str:
        """The configuration as one line of JSON."""
        return json.dumps(self.to_json())

    @classmethod
    def from_text(cls, text: str) -> EmoNetConfig:
        """Inverse of :meth:`to_text`."""
        return cls.from_json(json.loads(text))


def _as_tuple(value: object) -> object:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


class AdaptedConvolution(nn.Module):
    """A shared convolution, a parallel 1×1 adapter a domain, and a batch normalisation a domain (C15)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, config: EmoNetConfig, dropout: float
    ) -> None:
        super().__init__()
        self.stride = stride
        self.kernel = kernel
        self.shared = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)
        nn.init.kaiming_normal_(self.shared.weight)
        self.adapters = nn.ModuleDict()
        if config.adapters:
            for domain in config.domains:
                adapter = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                nn.init.kaiming_normal_(adapter.weight)
                self.adapters[domain] = adapter
        self.norms = nn.ModuleDict({domain: nn.BatchNorm2d(outputs) for domain in config.domains})
        # Whole channels, not cells: neighbouring cells tell the same, and drawing a mask a cell took a third of a step.
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, domain: str, is_odd: Tensor | None = None) -> Tensor:
        """Convolve, adapt and normalise.

        Args:
            x: float32 [batch, inputs, bands, steps], zeros beyond each clip.
            domain: whose adapter and normalisation count.
            is_odd: bool [batch], clips of an odd count of steps, whose windows start one step earlier; None where
                all windows start alike.
        """
        if self.adapters:
            y = self.shared(self._pad(x, is_odd)) + self.adapters[domain](self.dropout(x))
        else:
            y = self.shared(self._pad(self.dropout(x), is_odd))
        return self.norms[domain](y)

    def _pad(self, x: Tensor, is_odd: Tensor | None) -> Tensor:
        """TensorFlow's SAME padding for sizes that the stride divides: the odd cell goes last (G1)."""
        if is_odd is not None:
            # The step behind an odd count is padding here, so that a shift by one loses nothing.
            x = torch.where(is_odd[:, None, None, None], functional.pad(x, (1, -1)), x)
        total = self.kernel - self.stride
        return functional.pad(x, (total // 2, total - total // 2, total // 2, total - total // 2))


class ResidualBlock(nn.Module):
    """Two adapted convolutions and a shortcut (C11, C12)."""

    def __init__(self, inputs: int, outputs: int, config: EmoNetConfig) -> None:
        super().__init__()
        self.widens = outputs != inputs
        self.first = AdaptedConvolution(inputs, outputs, 3, 2 if self.widens else 1, config, 0.0)
        self.second = AdaptedConvolution(outputs, outputs, 3, 1, config, config.block_dropout)

    def forward(self, x: Tensor, mask: Tensor, domain: str, steps: Tensor | None = None) -> Tensor:
        """One block.

        Args:
            x: float32 [batch, inputs, bands, steps].
            mask: of the result, 1 inside each clip.
            domain: whose parts count.
            steps: int64 [batch], steps of ``x`` inside each clip, where ends are those of SAME; else None.
        """
        is_odd = steps % 2 == 1 if self.widens and steps is not None else None
        y = functional.relu(self.first(x, domain, is_odd)) * mask
        y = self.second(y, domain)
        if self.widens:
            x = functional.avg_pool2d(x, 2, 2)
            if steps is not None and is_odd is not None:
                is_last = torch.arange(x.shape[-1], device=x.device)[None, :] == steps[:, None] // 2
                x = x * (1 + (is_last & is_odd[:, None]).to(x.dtype))[:, None, None, :]  # mean of the cells inside
            x = torch.cat([x, torch.zeros_like(x)], dim=1)
        return functional.relu(x + y) * mask


class Attention(nn.Module):
    """Weighted mean over all cells inside the clip: α = softmax(λ·uᵀ tanh(W x + b)) (C14)."""

    def __init__(self, channels: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.projection = nn.Linear(channels, channels)
        self.query = nn.Linear(channels, 1, bias=False)
        for weights in (self.projection.weight, self.query.weight):
            nn.init.normal_(weights, std=0.05)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        cells = x.flatten(2).transpose(1, 2)
        energies = self.query(torch.tanh(self.projection(cells)))[..., 0] * self.sharpness
        inside = mask.expand(-1, -1, x.shape[2], -1).flatten(1) > 0
        weights = torch.softmax(energies.float().masked_fill(~inside, -torch.inf), dim=1)
        return torch.einsum("bn,bnc->bc", weights, cells.float())


class Head(nn.Module):
    """Dense, batch normalisation, ReLU, dropout (C16), then one layer for each output."""

    def __init__(self, channels: int, config: EmoNetConfig, domain: str) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, config.head_units)
        self.norm = nn.BatchNorm1d(config.head_units)
        self.dropout = nn.Dropout(config.head_dropout)
        outputs = {"emotion": len(config.classes(domain))}
        if config.plane:
            outputs |= {"arousal": len(AROUSAL_LEVELS), "valence": len(VALENCE_LEVELS)}
        self.outputs = tuple(outputs)
        for name, count in outputs.items():
            self.add_module(name, nn.Linear(config.head_units, count))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.dropout(functional.relu(self.norm(self.hidden(x))))
        return {name: self.get_submodule(name)(x) for name in self.outputs}


class EmoNet(nn.Module):
    """The whole network over pictures of a front end; see the module's text."""

    def __init__(self, config: EmoNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = self.make_layers()
        self.attention = Attention(channels, config.attention_sharpness)
        self.heads = nn.ModuleDict({domain: Head(channels, config, domain) for domain in config.domains})

    def make_layers(self) -> int:
        """Make the layers before the attention; returns how many channels they give."""
        config = self.config
        self.stem = AdaptedConvolution(1, STEM_CHANNELS, config.stem_kernel, config.stem_stride, config, 0.0)
        blocks: list[ResidualBlock] = []
        inputs = STEM_CHANNELS
        for outputs in STACK_CHANNELS:
            for _ in range(BLOCKS_PER_STACK):
                blocks.append(ResidualBlock(inputs, outputs, config))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.final_norms = nn.ModuleDict({domain: nn.BatchNorm2d(inputs) for domain in config.domains})  # C13
        return inputs

    def learnable(self) -> list[nn.Parameter]:
        """Parameters that a training from scratch tunes."""
        return list(self.parameters())

    def embed(self, pictures: Tensor, frames: Tensor, domain: str = "any") -> Tensor:
        """Attention-pooled features, float32 [batch, 256].

        Args:
            pictures: float32 [batch, 1, bands, steps].
            frames: int64 [batch], the number of steps inside each clip.
        """
        stride = self.config.time_stride
        pictures = functional.pad(pictures, (0, -pictures.shape[-1] % stride))
        return self.attention(*self.cells(pictures, frames, domain))

    def cells(self, pictures: Tensor, frames: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Feature map before the attention, float32 [batch, channels, bands, steps], and its mask.

        Args:
            pictures, frames: as for :meth:`embed`; the steps are a multiple of the total stride.
        """
        x = self.stem(pictures, domain)
        frames = ceil_divide(frames, self.config.stem_stride)
        mask = time_mask(frames, x)
        x = x * mask
        for block in self.blocks:
            steps = frames if self.config.same_ends else None
            if block.widens:
                frames = ceil_divide(frames, 2)
                mask = time_mask(frames, x[..., ::2])
            x = block(x, mask, domain, steps)
        return functional.relu(self.final_norms[domain](x)) * mask, mask

    def forward(self, pictures: Tensor, frames: Tensor, domain: str = "any") -> dict[str, Tensor]:
        """Logits by output name: emotion [batch, classes of the domain], arousal [batch, 2], valence [batch, 3]."""
        return self.heads[domain](self.embed(pictures, frames, domain))

    def among_all(self, logits: Tensor, domain: str) -> Tensor:
        """Emotion logits of a domain's head among all labels, those that it lacks at −1e9: float32 [batch, labels]."""
        places = [self.config.labels.index(name) for name in self.config.classes(domain)]
        every = logits.new_full((len(logits), len(self.config.labels)), LACKING)
        every[:, places] = logits
        return every

    def domain_parameters(self, domains: Sequence[str]) -> list[nn.Parameter]:
        """Adapters, batch normalisation and heads of ``domains``."""
        parameters: list[nn.Parameter] = []
        for module in self.modules():
            if isinstance(module, nn.ModuleDict):
                parameters += [p for domain in domains if domain in module for p in module[domain].parameters()]
        return parameters


def ceil_divide(counts: Tensor, divisor: int) -> Tensor:
    """Quotients, rounded up."""
    return (counts + divisor - 1) // divisor


def time_mask(frames: Tensor, like: Tensor) -> Tensor:
    """1 inside each clip and 0 beyond it, [batch, 1, 1, steps], for steps and type of ``like``."""
    steps = torch.arange(like.shape[-1], device=like.device)
    return (steps[None, :] < frames[:, None]).to(like.dtype)[:, None, None, :]
