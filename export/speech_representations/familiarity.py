"""How unlike the speech of its training a recording is, for a network on the GE2E encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DIRECTIONS = 64
"""Directions that speech of the training is described by; half as many calibrate as well (docs/training.md)."""


@dataclass(frozen=True)
class Familiarity:
    """The main directions of the training's speech, in the standardised representation that the head sees.

    Attributes:
        mean: float32 [1536].
        directions: float32 [directions, 1536], orthonormal.
        typical: root mean square, over the numbers of the representation, of what the directions leave of the training.
    """

    mean: Tensor
    directions: Tensor
    typical: Tensor

    def unfamiliarity(self, seen: Tensor) -> Tensor:
        """float32 [batch]: what the directions leave of ``seen``, float32 [batch, 1536], in units of ``typical``.

        It is 1 on average over the training, and grows with voices, languages and rooms that the training lacked.
        """
        centred = seen - self.mean
        within = (centred @ self.directions.T).square().sum(dim=1)
        return ((centred.square().sum(dim=1) - within) / centred.shape[1]).clamp(min=0.0).sqrt() / self.typical


def fit_familiarity(corpora: Sequence[NDArray[np.float32]]) -> Familiarity:
    """The principal directions of the training's recordings, each corpus counting the same.

    Args:
        corpora: standardised representations of each corpus's recordings, float32 [recordings, 1536].
    """
    seen = np.concatenate(corpora).astype(np.float64)
    weight = np.concatenate([np.full(len(part), 1.0 / len(part) / len(corpora)) for part in corpora])
    mean = weight @ seen
    centred = (seen - mean) * np.sqrt(weight)[:, None]
    _, directions = np.linalg.eigh(centred.T @ centred)
    kept = np.ascontiguousarray(directions[:, : -DIRECTIONS - 1 : -1].T)
    found = Familiarity(*(torch.from_numpy(value.astype(np.float32)) for value in (mean, kept, np.ones(()))))
    left = found.unfamiliarity(torch.from_numpy(np.concatenate(corpora))).double().numpy()
    return Familiarity(found.mean, found.directions, torch.tensor(weight @ left, dtype=torch.float32))
