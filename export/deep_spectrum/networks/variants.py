"""Networks of one name and one set of shapes that compute different things: PyTorch's and TensorFlow's.

Weights trained in TensorFlow need TensorFlow's arithmetic. MobileNetV2 pads strided convolutions at the end (SAME),
not on both sides; ResNet50 of Keras strides in the first convolution of a block, torchvision's in the second. Nothing
in the shapes of the weights tells them apart.
"""

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from export.graph.end_padding import EndPaddedConv2d

Variant = Literal["torch", "tensorflow"]


def _pad_at_the_end(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
                setattr(module, name, EndPaddedConv2d.like(child))


def _stride_first(network: Any) -> None:  # noqa: ANN401 - torchvision declares no types of its layers
    for stage in (network.layer2, network.layer3, network.layer4):
        first = stage[0]
        first.conv1.stride, first.conv2.stride = first.conv2.stride, first.conv1.stride


TENSORFLOW: dict[str, Callable[[nn.Module], None]] = {"mobilenet_v2": _pad_at_the_end, "resnet50": _stride_first}


def variants(name: str) -> tuple[Variant, ...]:
    """Variants of the network ``name``."""
    return ("torch", "tensorflow") if name in TENSORFLOW else ("torch",)


def apply_variant(name: str, network: nn.Module, variant: Variant) -> None:
    """Change ``network`` in place. Raises ValueError if the network has no such variant."""
    if variant not in variants(name):
        raise ValueError(f"{name} has no variant '{variant}'")
    if variant == "tensorflow":
        TENSORFLOW[name](network)
