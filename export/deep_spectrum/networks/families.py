"""The cut of each family of publisher's networks, from a normalised picture to the embedding."""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from export.deep_spectrum.networks.caffe_alexnet import CaffeAlexNet

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
