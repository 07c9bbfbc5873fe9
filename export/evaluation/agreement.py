"""What every comparison of a bundle with PyTorch holds: two differences, their tolerances, and the clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from service.card import SpeechInput

BATCH_TOLERANCE = 1e-5
"""Largest difference that the company in a batch may make (contract: batch invariance)."""

Clip = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """Largest differences from PyTorch and between a clip alone and in a batch.

    Attributes:
        model: name and version.
        recordings: how many were compared.
    """

    model: str
    recordings: int
    torch_difference: float
    torch_tolerance: float
    batch_difference: float
    batch_tolerance: float

    @property
    def passed(self) -> bool:
        """Whether all differences lie within their tolerances."""
        return self.torch_difference <= self.torch_tolerance and self.batch_difference <= self.batch_tolerance

    @property
    def summary(self) -> str:
        """The differences in one line."""
        return (
            f"torch {self.torch_difference:.1e} (≤ {self.torch_tolerance:.0e}), "
            f"batch {self.batch_difference:.1e} (≤ {self.batch_tolerance:.0e})"
        )

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        return asdict(self) | {"passed": self.passed}


def clips_of(speech: SpeechInput, recordings: Sequence[Clip]) -> list[Clip]:
    """Recordings, float32 [samples] each, cut to the longest that a model takes."""
    limit = round(speech.max_length_s * speech.sample_rate_hz)
    return [recording[:limit] for recording in recordings]
