"""VGG16 on spectrograms, EmoNet's announced second architecture (C6).

A 1×1 convolution paints the spectrogram in three colours, which a ReLU and a batch normalisation for each domain
follow; then VGG16's convolutions, pooled by the attention of C14 (a sharpness of 0 is the mean), and the head of C16.

Zeros stand beyond a clip after every layer. The last column of an odd count is pooled alone, where Keras drops it, so
that short clips keep a step.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.deep_spectrum.networks.families import FAMILIES
from export.emonet.network import EmoNet, EmoNetConfig, ceil_divide, time_mask

CONVOLUTIONS = 13
"""Convolutions of VGG16."""


class Vgg16EmoNet(EmoNet):
    """See the module's text."""

    def make_layers(self) -> int:
        """Make the colours, and VGG16's layers with random values."""
        self.colours = nn.Conv2d(1, 3, 1)
        self.norms = nn.ModuleDict({domain: nn.BatchNorm2d(3) for domain in self.config.domains})
        with torch.device("meta"):  # no values for layers that are left out
            self.features = FAMILIES["vgg16"][0]().get_submodule("features")
        self.features.to_empty(device="cpu")
        for layer in self.convolutions:
            nn.init.kaiming_normal_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        return self.convolutions[-1].out_channels

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """VGG16's, from the input on."""
        return [layer for layer in self.features.children() if isinstance(layer, nn.Conv2d)]

    def learnable(self) -> list[nn.Parameter]:
        """All but the first ``frozen_layers`` convolutions."""
        frozen = {id(one) for layer in self.convolutions[: self.config.frozen_layers] for one in layer.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in frozen]

    def cells(self, pictures: Tensor, frames: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Feature map float32 [batch, 512, bands / 32, steps / 32], and its mask."""
        mask = time_mask(frames, pictures)
        x = self.norms[domain](functional.relu(self.colours(pictures))) * mask
        for layer in self.features.children():
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                frames = ceil_divide(frames, 2)
                mask = time_mask(frames, x)
            elif isinstance(layer, nn.ReLU):
                x = x * mask
        return x, mask


def make_emonet(config: EmoNetConfig) -> EmoNet:
    """The network of a configuration, with random values."""
    return Vgg16EmoNet(config) if config.backbone == "vgg16" else EmoNet(config)
