"""Names of the publisher's network for the layers of an ONNX graph, by order and shape.

Files that were written for speed have batch normalisation folded into the convolution in front; such a layer gets the
bias of the folded convolution and is otherwise the identity, so that the same network takes folded and unfolded files.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import fx, nn

from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.networks.network import EmbeddingNetwork, embedding_names
from export.deep_spectrum.weights.onnx_layers import FileLayer
from export.graph.module_graph import layer_of, norms_behind_convolutions, trace

Tensors = dict[str, NDArray[np.float32]]


def names_by_order(name: str, layers: Sequence[FileLayer], origin: str, up_to: str = "") -> Tensors:
    """Tensors of ``layers`` under the publisher's names.

    Args:
        layers: in the order of the file; it must be that in which the network runs.
        origin: how errors call the file.
        up_to: the layer of the publisher's network that the file ends with; empty where it is whole.

    Raises:
        WeightsError: a layer that the embedding needs is not where it should be; the first is named.
    """
    return _Alignment(name, layers, origin, up_to).align()


class _Alignment:
    def __init__(self, name: str, layers: Sequence[FileLayer], origin: str, up_to: str) -> None:
        self._name = name
        self._up_to = up_to
        self._origin = origin
        self._left = list(layers)
        self._needed = {key.rpartition(".")[0] for key in embedding_names(name, up_to)}
        self._tensors: Tensors = {}

    def align(self) -> Tensors:
        traced = trace(EmbeddingNetwork(self._name, layer=self._up_to).body)
        norms = norms_behind_convolutions(traced)
        behind = set(norms.values())
        for node in traced.graph.nodes:
            module = layer_of(traced, node)
            match module:
                case nn.Conv2d():
                    found = self._take(node, "convolution", tuple(module.weight.shape))
                    if found is not None:
                        self._convolution(node, found, norms.get(node), traced)
                case nn.Linear():
                    found = self._take(node, "dense", tuple(module.weight.shape))
                    if found is not None:
                        self._put(node, found)
                case nn.BatchNorm2d() if node not in behind:
                    found = self._take(node, "norm", (module.num_features,))
                    if found is not None:
                        self._norm(node, module, found)
        return self._tensors

    def _take(self, node: fx.Node, kind: str, shape: tuple[int, ...]) -> FileLayer | None:
        """The file's next layer if it is of the right kind and shape; a head may be another one or missing."""
        target = str(node.target)
        if self._left and self._left[0].kind == kind and self._left[0].tensors["weight"].shape == shape:
            return self._left.pop(0)
        if target not in self._needed:
            return self._head(kind, shape)
        found = "nothing more"
        if self._left:
            found = f"the {self._left[0].kind} {self._left[0].name} {self._left[0].tensors['weight'].shape}"
        raise WeightsError(f"{self._origin} is not {self._name}: for {target} {shape} it has {found}")

    def _head(self, kind: str, shape: tuple[int, ...]) -> FileLayer | None:
        """Classes as a 1×1 convolution, or with TensorFlow's class 0 for the background, which is left out."""
        if kind != "dense" or not self._left:
            return None
        layer = self._left[0]
        weight = layer.tensors["weight"].reshape(len(layer.tensors["weight"]), -1)
        if "bias" not in layer.tensors or weight.shape not in (shape, (shape[0] + 1, shape[1])):
            return None
        tensors = {"weight": weight[-shape[0] :], "bias": layer.tensors["bias"][-shape[0] :]}
        return FileLayer("dense", layer.name, tensors, layer.source, layer.result)

    def _put(self, node: fx.Node, layer: FileLayer) -> None:
        self._tensors.update({f"{node.target}.{part}": tensor for part, tensor in layer.tensors.items()})

    def _convolution(self, node: fx.Node, layer: FileLayer, follower: fx.Node | None, traced: fx.GraphModule) -> None:
        if follower is None:
            self._put(node, layer)
            return
        self._tensors[f"{node.target}.weight"] = layer.tensors["weight"]
        bias = layer.tensors.get("bias", np.zeros(len(layer.tensors["weight"]), np.float32))
        norm = layer_of(traced, follower)
        assert isinstance(norm, nn.BatchNorm2d)
        if self._left and self._left[0].kind == "norm" and self._left[0].source == layer.result:
            self._norm(follower, norm, self._left.pop(0), bias)
            return
        ones = np.ones(len(bias), np.float32)
        parts = {
            "weight": ones * np.float32(math.sqrt(1 + norm.eps)),
            "bias": bias,
            "running_mean": ones * 0,
            "running_var": ones,
        }
        self._tensors.update({f"{follower.target}.{part}": value for part, value in parts.items()})

    def _norm(
        self, node: fx.Node, norm: nn.BatchNorm2d, layer: FileLayer, bias: NDArray[np.float32] | None = None
    ) -> None:
        """A normalisation of the file with the network's ε, and with the bias of the convolution in front of it."""
        parts = dict(layer.tensors)
        parts["running_var"] = parts["running_var"] + np.float32(layer.epsilon - norm.eps)
        if bias is not None:
            parts["running_mean"] = parts["running_mean"] - bias
        self._tensors.update({f"{node.target}.{part}": value for part, value in parts.items()})
