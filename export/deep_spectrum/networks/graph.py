"""An extractor as an ONNX graph: ``picture`` in, ``embedding`` out."""

import onnx

from export.deep_spectrum.networks.layers import LONGEST, WeightsError, numbers_of
from export.deep_spectrum.networks.network import EmbeddingNetwork, embedding_names
from export.deep_spectrum.networks.normalisation import omissions
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.networks.weights import Weights
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.module_graph import write_module

PICTURE = "picture"
EMBEDDING = "embedding"


def extractor_graph(
    name: str, weights: Weights, normalisation: str = "deepspectrum", layer: str = ""
) -> onnx.ModelProto:
    """Write the network ``name``.

    Args:
        weights: of this network; their convention and variant are used.
        normalisation: 'deepspectrum' leaves out what the toolkit leaves out (F15), 'keras' nothing.
        layer: name of the layer in PyTorch that is read; empty is that of table A.3.

    Returns:
        Graph with input ``picture`` float32 [batch, 3, size, size], RGB, 0 … 255, and output ``embedding`` float32
        [batch, dim]; initialisers are called as in the publisher's PyTorch network, batch normalisation is folded where
        that is exact.

    Raises:
        ValueError: the weights are of another network, or there is no such normalisation.
        WeightsError: there is no such layer, it gives too many numbers, or the file of weights ends before it.
    """
    if weights.network != name:
        raise ValueError(f"these are weights of {weights.network}, not of {name}")
    extractor = EXTRACTORS[name]
    module = EmbeddingNetwork(name, weights.variant, layer)
    numbers = _numbers(module, weights, layer)
    builder = GraphBuilder(name)
    value = builder.input(PICTURE, FLOAT, ["batch", 3, extractor.size, extractor.size])
    if weights.convention.order == "BGR":
        value = builder.add("Gather", value, builder.constant([2, 1, 0]), axis=1)
    scale, shift = weights.convention.affine(omissions(normalisation, extractor.toolkit_omits))
    value = builder.add("Mul", value, builder.constant(scale[:, None, None]))
    if shift.any():
        value = builder.add("Add", value, builder.constant(shift[:, None, None]))
    tensors = {f"network.{key}": tensor for key, tensor in weights.tensors.items()}
    value = write_module(builder, module, tensors, value, extractor.size)
    builder.output(EMBEDDING, value, FLOAT, ["batch", numbers])
    metadata = {
        "network": name,
        "item": extractor.item,
        "layer": layer or extractor.layer,
        "normalisation": normalisation,
        "convention": weights.convention.name,
        "variant": weights.variant,
        "weights": weights.source,
        "weights_sha256": weights.sha256,
        "licence": weights.licence.spdx,
    }
    return builder.model("emoserve-export", metadata)


def _numbers(module: EmbeddingNetwork, weights: Weights, layer: str) -> int:
    """Length of the embedding, where ``layer`` can be had at all."""
    extractor = EXTRACTORS[weights.network]
    if not layer:
        return extractor.dim
    numbers = numbers_of(module, extractor.size)
    if numbers > LONGEST:
        raise WeightsError(f"the layer '{layer}' of {extractor.name} gives {numbers} numbers, more than {LONGEST}")
    missing = [key for key in embedding_names(extractor.name, layer) if key not in weights.tensors]
    if missing:
        raise WeightsError(f"{weights.source} ends before the layer '{layer}' of {extractor.name}: no {missing[0]}")
    return numbers
