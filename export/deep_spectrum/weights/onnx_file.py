"""Weights in ONNX files: read by name or by order, then checked by running the file itself.

Shapes do not tell strides, paddings or the order of a flattened map. So the file's own graph and the network with its
weights answer the same picture, and the file is refused if they differ; TensorFlow's arithmetic is tried too.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper

from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.networks.network import EmbeddingNetwork, embedding_names
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.networks.variants import Variant, variants
from export.deep_spectrum.networks.weights import checked
from export.deep_spectrum.weights.onnx_layers import constants_of, layers_of
from export.deep_spectrum.weights.onnx_names import Tensors, names_by_order
from service.pipeline.device.session import GraphError, Session

TOLERANCE = {"float": 1e-3, "half": 5e-2}
"""Largest distance between the two answers, relative to the spread of the classes, by the file's precision."""


def read_onnx_file(name: str, file: Path) -> tuple[Tensors, Variant, str]:
    """Weights of ``name``, the arithmetic that they belong to and the name of the program that wrote the file.

    Raises:
        WeightsError: the file is damaged, of another network, or computes something else.
    """
    try:
        model = onnx.load(file)
    except (DecodeError, OSError, ValueError) as error:
        raise WeightsError(f"{file.name} is not an ONNX file: {error}") from error
    tensors = checked(name, _named(name, model.graph, file.name), file.name)
    return tensors, _matching_variant(name, tensors, model, file), model.producer_name


def _named(name: str, graph: onnx.GraphProto, origin: str) -> Tensors:
    """By the publisher's names where the file has kept all of them, else by order."""
    constants = constants_of(graph)
    if constants.keys() >= set(embedding_names(name)):
        return {key: onnx.numpy_helper.to_array(tensor) for key, tensor in constants.items()}
    return names_by_order(name, layers_of(graph), origin)


def _matching_variant(name: str, tensors: Tensors, model: onnx.ModelProto, file: Path) -> Variant:
    try:
        session = Session(model.SerializeToString(), device="cpu", threads=2)
    except GraphError as error:
        raise WeightsError(f"{file.name} cannot be run: {error}") from error
    constants = constants_of(model.graph)
    declared = next(value for value in model.graph.input if value.name not in constants)
    picture, given = _pictures(declared, EXTRACTORS[name].size)
    answer = session.run({declared.name: given}, session.output_names[:1])[session.output_names[0]]
    answer = answer.astype(np.float32).reshape(-1)
    tolerance = TOLERANCE["half" if given.dtype == np.float16 else "float"]
    distances = {variant: _distance(name, variant, tensors, picture, answer, file.name) for variant in variants(name)}
    best = min(distances, key=lambda variant: distances[variant])
    if not distances[best] <= tolerance:
        raise WeightsError(
            f"{file.name} has the shapes of {name} but computes something else: its answer differs by "
            f"{distances[best]:.1e} of the spread of the classes"
        )
    return best


def _pictures(declared: onnx.ValueInfoProto, size: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """A seeded picture [1, 3, edge, edge], and the same in the layout and precision that the file wants."""
    kind = declared.type.tensor_type
    shape = [dimension.dim_value for dimension in kind.shape.dim]
    last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
    edge = (shape[1] if last else shape[2] if len(shape) == 4 else 0) or size
    random = np.random.default_rng(0)
    coarse = random.uniform(-1.0, 1.0, (1, 3, 8, 8)).astype(np.float32)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse), (edge, edge), mode="bilinear")
    picture = (smooth.numpy() + random.uniform(-0.3, 0.3, (1, 3, edge, edge))).astype(np.float32)
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    return picture, (picture.transpose(0, 2, 3, 1) if last else picture).astype(dtype)


def _distance(
    name: str, variant: Variant, tensors: Tensors, picture: NDArray[np.float32], answer: NDArray[np.float32], file: str
) -> float:
    """Distance between the file's answer and the network's, relative to the network's spread around its mean."""
    network = EmbeddingNetwork(name, variant).load(tensors)
    given = torch.from_numpy(picture)
    with torch.inference_mode():
        if len(answer) == EXTRACTORS[name].dim:
            expected = network(given)[0]
        else:
            if any(parameter.is_meta for parameter in network.network.parameters()):
                raise WeightsError(f"{file}: its {len(answer)} outputs are neither the classes nor the embedding")
            expected = network.network(given)[0]
            if answer.min() >= 0 and abs(answer.sum() - 1) < 1e-2:
                expected = torch.softmax(expected, 0)
    if len(answer) == len(expected) + 1:
        answer = answer[1:]  # TensorFlow's class 0 is the background
    if len(answer) != len(expected):
        raise WeightsError(f"{file}: its {len(answer)} outputs are neither the classes nor the embedding")
    values = expected.numpy()
    return float(np.linalg.norm(answer - values) / np.linalg.norm(values - values.mean()))
