"""The extractors as PyTorch modules, made without values so that weights are never drawn only to be replaced."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.deep_spectrum.networks.families import FAMILIES
from export.deep_spectrum.networks.layers import cut_behind
from export.deep_spectrum.networks.variants import Variant, apply_variant

UNUSED = "num_batches_tracked"
"""Part of the names of counters that batch normalisations keep in training."""


class EmbeddingNetwork(nn.Module):
    """The publisher's whole network, read at the layer of table A.3, or at any other.

    ``forward`` takes a normalised picture, float32 [batch, 3, size, size], and gives the embedding [batch, dim];
    ``network`` gives the logits of its classes, ``body`` is its part up to ``layer``.

    Args:
        layer: name of a layer in PyTorch, such as 'features.12'; what it gives is laid out in the order C, H, W.
            Empty is the layer of table A.3.

    Raises:
        WeightsError: there is no such layer.
    """

    def __init__(self, name: str, variant: Variant = "torch", layer: str = "") -> None:
        super().__init__()
        make, self._cut = FAMILIES[name]
        with torch.device("meta"):
            self.network = make()
        apply_variant(name, self.network, variant)
        self._until_layer = cut_behind(self.network, layer) if layer else None
        self.eval()

    @property
    def body(self) -> nn.Module:
        """The part of the network up to the layer; all of it where none is named."""
        return self._until_layer or self.network

    def forward(self, x: Tensor) -> Tensor:
        if self._until_layer is not None:
            return torch.flatten(self._until_layer(x), 1)
        return self._cut(self.network, x)

    def load(self, tensors: Mapping[str, NDArray[np.float32]]) -> "EmbeddingNetwork":
        """Take values by their names in the publisher's network; a head without values stays without."""
        # PyTorch warns of arrays that cannot be written, such as those inside an ONNX file.
        writable = {name: tensor if tensor.flags.writeable else tensor.copy() for name, tensor in tensors.items()}
        values = {name: torch.from_numpy(tensor) for name, tensor in writable.items()}
        self.network.load_state_dict(values, strict=False, assign=True)
        return self


def expected_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights of the publisher's network by name, in its order."""
    state = EmbeddingNetwork(name).network.state_dict()
    return {key: tuple(tensor.shape) for key, tensor in state.items() if not key.endswith(UNUSED)}


def embedding_names(name: str, layer: str = "") -> list[str]:
    """Names of the weights that the embedding needs; the others belong to the head, or lie behind ``layer``."""
    from export.graph.module_graph import layer_of, trace

    traced = trace(EmbeddingNetwork(name, layer=layer))
    used = {str(node.target) for node in traced.graph.nodes if layer_of(traced, node) is not None}
    return [key for key in expected_shapes(name) if f"network.{key.rpartition('.')[0]}" in used]
