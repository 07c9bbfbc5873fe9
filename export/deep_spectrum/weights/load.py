"""Weights of any source: the publisher's, a file of any known kind, or seeded random ones."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.networks.network import expected_shapes
from export.deep_spectrum.networks.normalisation import CONVENTIONS
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.networks.variants import Variant
from export.deep_spectrum.networks.weights import Tensors, Weights, checked
from export.deep_spectrum.weights.caffe_file import read_caffe_file
from export.deep_spectrum.weights.onnx_file import read_onnx_file
from export.deep_spectrum.weights.origins import CAFFE_ORIGIN, CAFFE_SHA1, KNOWN, UNKNOWN_LICENCE, Origin
from export.deep_spectrum.weights.publisher import fetch, is_publishers, publisher_origin
from export.deep_spectrum.weights.tflite_file import read_tflite_file
from export.deep_spectrum.weights.torch_file import read_safetensors_file, read_torch_file
from service.card import Licence

PUBLISHER = "publisher"
RANDOM_PREFIX = "random:"
UNUSABLE = Licence(spdx="CC0-1.0", commercial_use=True, attribution="Random numbers; no publisher.")
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Read:
    """Content of a file of weights; an empty convention is unknown."""

    tensors: Tensors
    convention: str
    variant: Variant = "torch"


def load_weights(
    name: str, source: str | Path, convention: str | None = None, licence: Licence | None = None
) -> Weights:
    """Weights of the extractor ``name``, checked.

    Args:
        source: 'publisher', 'random:SEED', or a file: a state dictionary of PyTorch (.pt, .pth), .safetensors, .onnx,
            .tflite (``mobilenet_v2`` alone) or .caffemodel (``alexnet_caffe`` alone).
        convention: name of the normalisation that a file's weights were trained with, where the file is not known.
        licence: of a file, where the file is not known.

    Raises:
        WeightsError: they cannot be had, are damaged, are those of another network, or their convention is unknown.
        OSError: the file cannot be read.
    """
    if name not in EXTRACTORS:
        raise WeightsError(f"there is no extractor '{name}': choose one of {', '.join(EXTRACTORS)}")
    if convention is not None and convention not in CONVENTIONS:
        raise WeightsError(f"there is no convention '{convention}': choose one of {', '.join(CONVENTIONS)}")
    text = str(source)
    if text.startswith(RANDOM_PREFIX):
        return _random(name, text.removeprefix(RANDOM_PREFIX))
    file = fetch(name) if text == PUBLISHER else Path(source)
    sha256 = _digest(file)
    read = _read(name, file)
    origin = _origin(name, file, sha256)
    trained_with = convention or origin.convention or read.convention
    if not trained_with:
        raise WeightsError(
            f"{file.name} does not tell how pictures were normalised: name one of {', '.join(CONVENTIONS)}"
        )
    return Weights(
        network=name,
        tensors=checked(name, read.tensors, file.name),
        convention=CONVENTIONS[trained_with],
        variant=read.variant,
        source=origin.source,
        sha256=sha256,
        licence=licence or origin.licence,
    )


def _random(name: str, text: str) -> Weights:
    if not text.isdecimal():
        raise WeightsError(f"'{RANDOM_PREFIX}{text}' is no seed: write {RANDOM_PREFIX}1")
    extractor = EXTRACTORS[name]
    return Weights(
        network=name,
        tensors=random_tensors(name, int(text)),
        convention=extractor.publisher_convention,
        variant="torch",
        source=f"random numbers, seed {int(text)}",
        sha256="",
        licence=UNUSABLE,
        trained=False,
    )


def _read(name: str, file: Path) -> _Read:
    kind = file.suffix.lower()
    if kind in (".pt", ".pth"):
        return _Read(read_torch_file(file), EXTRACTORS[name].publisher_convention.name)
    if kind == ".safetensors":
        return _Read(read_safetensors_file(file), EXTRACTORS[name].publisher_convention.name)
    if kind == ".onnx":
        tensors, variant, producer = read_onnx_file(name, file)
        # Only PyTorch's own exporter tells enough; Caffe's AlexNet exists in one convention alone.
        told = producer == "pytorch" or name == "alexnet_caffe"
        return _Read(tensors, EXTRACTORS[name].publisher_convention.name if told else "", variant)
    if kind == ".tflite":
        if name != "mobilenet_v2":
            raise WeightsError(f"{file.name}: TFLite files are read for mobilenet_v2 alone")
        return _Read(read_tflite_file(name, file), "tf", "tensorflow")
    if kind == ".caffemodel":
        if name != "alexnet_caffe":
            raise WeightsError(f"{file.name}: caffemodels are read for alexnet_caffe alone")
        return _Read(read_caffe_file(file), "caffe")
    raise WeightsError(f"{file.name}: weights are .pt, .pth, .safetensors, .onnx, .tflite or .caffemodel files")


def _origin(name: str, file: Path, sha256: str) -> Origin:
    if sha256 in KNOWN:
        return KNOWN[sha256]
    if is_publishers(name, sha256):
        return publisher_origin(name, file)
    if name == "alexnet_caffe" and _digest(file, "sha1") == CAFFE_SHA1:
        return CAFFE_ORIGIN
    return Origin(file.name, UNKNOWN_LICENCE, "")


def _digest(file: Path, algorithm: str = "sha256") -> str:
    digest = hashlib.new(algorithm)
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def random_tensors(name: str, seed: int) -> dict[str, NDArray[np.float32]]:
    """Weights that keep activations in range: kernels as He et al. draw them, normalisations near identity."""
    random = np.random.default_rng(seed)
    tensors = {}
    for key, shape in expected_shapes(name).items():
        part = key.rpartition(".")[2]
        if len(shape) > 1:
            # Variance 2 / fan-in, which is what one output cell reads; in place, as a VGG has half a gigabyte.
            values = random.random(shape, dtype=np.float32)
            values -= np.float32(0.5)
            values *= np.float32(math.sqrt(24.0 / math.prod(shape[1:])))
        elif part in ("weight", "running_var"):
            values = random.uniform(0.7, 1.3, shape).astype(np.float32)
        else:
            values = random.uniform(-0.1, 0.1, shape).astype(np.float32)
        tensors[key] = values
    return tensors
