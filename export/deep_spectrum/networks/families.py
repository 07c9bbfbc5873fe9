"""The cut of each family of publisher's networks, from a normalised picture to the embedding."""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional


class CaffeAlexNet(nn.Module):
    """The whole network, with Caffe's names of its layers: [batch, 3, 227, 227] → 1000 logits."""

    relu1: nn.ReLU
    relu2: nn.ReLU
    relu3: nn.ReLU
    relu4: nn.ReLU
    relu5: nn.ReLU
    relu6: nn.ReLU
    relu7: nn.ReLU

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.norm1 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.norm2 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # Caffe rounds sizes up
        for number in range(1, 8):
            self.add_module(f"relu{number}", nn.ReLU())
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)

    def embed(self, x: Tensor) -> Tensor:
        """fc7 after its ReLU, which works in place in the published network (D4)."""
        x = self.pool(self.norm1(self.relu1(self.conv1(x))))
        x = self.pool(self.norm2(self.relu2(self.conv2(x))))
        x = self.relu3(self.conv3(x))
        x = self.relu4(self.conv4(x))
        x = self.pool(self.relu5(self.conv5(x)))
        x = self.relu6(self.fc6(torch.flatten(x, 1)))
        return self.relu7(self.fc7(x))

    def forward(self, x: Tensor) -> Tensor:
        """The class scores, float32 [batch, classes]."""
        return self.fc8(self.embed(x))


Network = Any
"""A publisher's :class:`torch.nn.Module`; torchvision and timm declare no types of its layers."""

Cut = Callable[[Network, Tensor], Tensor]


def _fully_connected(layers: int) -> Cut:
    """Features, pooling and the first ``layers`` of the classifier (A8–A10)."""

    def cut(network: Network, x: Tensor) -> Tensor:
        x = torch.flatten(network.avgpool(network.features(x)), 1)
        for layer in list(network.classifier)[:layers]:
            x = layer(x)
        return x

    return cut


def _residual(network: Network, x: Tensor) -> Tensor:
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    x = network.layer4(network.layer3(network.layer2(network.layer1(x))))
    return torch.flatten(network.avgpool(x), 1)


def _dense(network: Network, x: Tensor) -> Tensor:
    return torch.flatten(functional.adaptive_avg_pool2d(functional.relu(network.features(x)), (1, 1)), 1)


def _mobile(network: Network, x: Tensor) -> Tensor:
    return torch.flatten(functional.adaptive_avg_pool2d(network.features(x), (1, 1)), 1)


def _squeeze(network: Network, x: Tensor) -> Tensor:
    return torch.flatten(functional.adaptive_avg_pool2d(network.features(x), (2, 2)), 1)  # A16: C, H, W (G6)


def _xception(network: Network, x: Tensor) -> Tensor:
    return network.global_pool(network.forward_features(x))


def _caffe(network: Network, x: Tensor) -> Tensor:
    assert isinstance(network, CaffeAlexNet)
    return network.embed(x)


def _legacy_xception() -> nn.Module:
    import timm  # slow to import

    return timm.create_model("legacy_xception", pretrained=False)


models = torchvision.models

FAMILIES: dict[str, tuple[Callable[[], nn.Module], Cut]] = {
    "alexnet": (models.alexnet, _fully_connected(6)),
    "vgg16": (models.vgg16, _fully_connected(5)),
    "vgg19": (models.vgg19, _fully_connected(5)),
    "resnet50": (models.resnet50, _residual),
    "densenet121": (models.densenet121, _dense),
    "densenet169": (models.densenet169, _dense),
    "densenet201": (models.densenet201, _dense),
    "mobilenet_v2": (models.mobilenet_v2, _mobile),
    "squeezenet": (models.squeezenet1_1, _squeeze),
    "xception": (_legacy_xception, _xception),
    "alexnet_caffe": (CaffeAlexNet, _caffe),
}
"""Families of networks: how the publisher's whole network is made, and where it is cut."""
