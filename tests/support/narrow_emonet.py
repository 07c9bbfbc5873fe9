"""EmoNet with an eighth of its channels: what a test of a training needs no more of."""

import pytest
from torch import nn
from torchvision.models.vgg import VGG, cfgs, make_layers

from export.deep_spectrum.networks.families import FAMILIES
from export.emonet import network


def narrow_emonet(patch: pytest.MonkeyPatch) -> None:
    """Have networks that are made from now on be narrow."""
    patch.setattr(network, "STEM_CHANNELS", network.STEM_CHANNELS // 8)
    patch.setattr(network, "STACK_CHANNELS", tuple(count // 8 for count in network.STACK_CHANNELS))


def narrow_vgg16(patch: pytest.MonkeyPatch) -> None:
    """Have every VGG16 have a sixteenth of its channels."""

    def make() -> VGG:
        vgg16 = VGG(make_layers([size if size == "M" else int(size) // 16 for size in cfgs["D"]]), init_weights=False)
        first, second = nn.Linear(512 // 16 * 7 * 7, 8), nn.Linear(8, 8)
        vgg16.classifier = nn.Sequential(
            first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), nn.Dropout(), nn.Linear(8, 8)
        )
        return vgg16

    patch.setitem(FAMILIES, "vgg16", (make, FAMILIES["vgg16"][1]))
