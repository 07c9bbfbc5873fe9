"""Published face networks: random weights in the publishers' layouts, written by PyTorch itself."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from export.faces.published_bundle import described, write_published_face
from export.faces.published_graph import PublishedGraph
from service.card import Licence


class LibreFaceResNet(nn.Module):
    """The network as LibreFace's notebook prints it: ResNet-18 without its head, two linear layers, a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*list(torchvision.models.resnet18(weights=None).children())[:-1])
        self.classifier = nn.Sequential(
            nn.Linear(512, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Dropout(0.1), nn.Linear(128, 12), nn.Sigmoid()
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.encoder(images).reshape(images.shape[0], -1))


def small(outputs: int) -> nn.Module:
    """A network that sees colours and edges, ending in one linear layer as EmotiEffLib's do."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=4), nn.SiLU(), nn.Conv2d(8, 16, 5, stride=4), nn.SiLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, outputs),
    )  # fmt: skip


def efficientnet(outputs: int) -> nn.Module:
    """EfficientNet-B0 with one linear layer of so many outputs, the size that EmotiEffLib publishes."""
    network = torchvision.models.efficientnet_b0(weights=None)
    network.classifier = nn.Linear(1280, outputs)
    return network


def write_network(
    file: Path,
    network: nn.Module,
    size_px: int = 224,
    *,
    names: tuple[str, str] = ("input", "output"),
    faces: int | None = None,
    **options: Any,
) -> Path:
    """Write a network with random weights and lively answers to ``file``; returns it.

    Args:
        names: of the input and the output.
        faces: of a batch; None leaves it open.
        options: of the exporter.
    """
    torch.manual_seed(3)
    for tensor in network.parameters():
        if tensor.ndim > 1:
            nn.init.xavier_normal_(tensor, gain=1.5)
        else:
            nn.init.uniform_(tensor, 0.0, 0.5)
    network.eval()
    open_batch = None if faces else {names[0]: {0: "batch"}, names[1]: {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.rand(faces or 1, 3, size_px, size_px),),
            str(file),
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes=open_batch,
            dynamo=False,
            **({"opset_version": 11} | options),
        )
    return file


def write_libreface(file: Path, network: LibreFaceResNet) -> Path:
    """Write LibreFace's network of intensities: one face, as its notebook exports it."""
    return write_network(file, network, names=("image", "AUs"), faces=1, opset_version=14)


def write_expression_bundle(out: Path, scratch: Path) -> Path:
    """Write a bundle that looks at faces below ``out``: eight classes, valence and arousal, of random weights."""
    source = PublishedGraph(write_network(scratch / "looks.onnx", small(10)))
    text = described(source, "looks", "1", Licence(spdx="CC0-1.0", commercial_use=True))
    return write_published_face(source, text, out, "")
