"""Files of weights as other programs write them, made from arrays."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.deep_spectrum.networks.network import EmbeddingNetwork
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.module_graph import write_module

Tensors = Mapping[str, NDArray[np.float32]]


def write_classifier(
    file: Path, name: str, tensors: Tensors, variant: str = "torch", producer: str = "pytorch", mark: str = ""
) -> Path:
    """The publisher's whole network as an ONNX file with names that begin with ``mark``."""
    size = EXTRACTORS[name].size
    builder = GraphBuilder("classifier")
    value = builder.input("input", FLOAT, ["batch", 3, size, size])
    value = write_module(builder, EmbeddingNetwork(name, variant).network, tensors, value, size)
    builder.output("classes", value, FLOAT, ["batch", 1000])
    model = builder.model(producer, {})
    if mark:
        names = {tensor.name for tensor in model.graph.initializer}
        for node in model.graph.node:
            node.input[:] = [mark + value if value in names else value for value in node.input]
        for tensor in model.graph.initializer:
            tensor.name = mark + tensor.name
    onnx.save(model, file)
    return file


def caffe_network(layers: Mapping[str, list[NDArray[np.float32]]], *, old: bool) -> bytes:
    """A network of Caffe with the blobs of each layer; ``old`` is the form of files before 2015."""
    network = _field(1, b"network")
    for name, blobs in layers.items():
        name_field, blob_field, layer_field = (4, 6, 2) if old else (1, 7, 100)
        layer = _field(name_field, name.encode())
        for blob in blobs:
            layer += _field(blob_field, _blob(blob, old=old))
        network += _field(layer_field, layer)
    return network


def _blob(values: NDArray[np.float32], *, old: bool) -> bytes:
    data = _field(5, values.astype("<f4").tobytes())
    if old:
        sizes = (1,) * (4 - values.ndim) + values.shape
        return b"".join(_key(number, 0) + _integer(size) for number, size in enumerate(sizes, 1)) + data
    return data + _field(7, _field(1, b"".join(_integer(size) for size in values.shape)))


def _field(number: int, content: bytes) -> bytes:
    return _key(number, 2) + _integer(len(content)) + content


def _key(number: int, kind: int) -> bytes:
    return _integer(number << 3 | kind)


def _integer(value: int) -> bytes:
    result = bytearray()
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])
