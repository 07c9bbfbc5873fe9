"""Weights of one network with all that has to be known of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.networks.network import embedding_names, expected_shapes
from export.deep_spectrum.networks.normalisation import Convention
from export.deep_spectrum.networks.variants import Variant
from service.card import Licence

Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Weights:
    """Checked weights of an extractor.

    Attributes:
        network: name in ``EXTRACTORS``.
        tensors: float32, by the publisher's names in PyTorch; the head may be missing.
        convention: normalisation that they were trained with.
        variant: arithmetic that they were trained with.
        source: where they come from, in words.
        sha256: of their file; empty for random ones.
        trained: whether they are anything but random.
    """

    network: str
    tensors: Tensors
    convention: Convention
    variant: Variant
    source: str
    sha256: str
    licence: Licence
    trained: bool = True


def checked(name: str, tensors: Tensors, origin: str) -> dict[str, NDArray[np.float32]]:
    """The weights of ``name`` among ``tensors`` as float32, in the publisher's order.

    Raises:
        WeightsError: one that the embedding needs is missing or has another shape; the first is named.
    """
    expected = expected_shapes(name)
    needed = set(embedding_names(name))
    found: dict[str, NDArray[np.float32]] = {}
    for key, shape in expected.items():
        if key not in tensors:
            if key in needed:
                raise WeightsError(f"{origin} is not {name}: it has no {key}")
            continue
        if tensors[key].shape != shape:
            if key in needed:
                raise WeightsError(
                    f"{origin} is not {name}: {key} has the shape {tensors[key].shape}, expected {shape}"
                )
            continue  # a head for other classes is of no use here and does no harm
        found[key] = np.ascontiguousarray(tensors[key], dtype=np.float32)
        if key in needed and not np.isfinite(found[key]).all():
            raise WeightsError(f"{origin}: {key} has values that are not finite")
    return found
