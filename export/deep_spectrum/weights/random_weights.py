"""Seeded random weights: for tests and for trying the export, never for use."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.networks.network import expected_shapes


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
