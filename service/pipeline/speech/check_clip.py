"""A sound that anybody can make again, and how answers about it are compared with those on a model's card."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from service.pipeline.results import FloatArray

CLIP_S: Final = 3.0
"""Length of the clip; a model that takes less gets its beginning."""

TOLERANCE: Final = 1e-3
"""Largest difference that a card allows; ten times what the export check allows between two runtimes in fp32."""

GPU_ALLOWANCE: Final = 10.0
"""How many times the tolerance of a card a GPU may differ; a choice, because none was at hand to measure.

Its algorithms sum in another order, and a start must not fail for that.
"""

MOST_NUMBERS: Final = 16
"""Numbers of an output that a card keeps."""

_PITCH_HZ = 120.0
_SYLLABLES_HZ = 4.0  # the strongest modulation of speech


def check_clip(rate_hz: int, length_s: float) -> FloatArray:
    """A buzz with a voice's pitch and rhythm, on the grid of 16-bit samples: float32 [n]."""
    times_s = np.arange(round(min(length_s, CLIP_S) * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * _PITCH_HZ * harmonic * times_s) / harmonic for harmonic in range(1, 20))
    loudness = 0.5 - 0.5 * np.cos(2 * np.pi * _SYLLABLES_HZ * times_s)
    return (np.round(0.2 * buzz * loudness * 32768) / 32768).astype(np.float32)


def told_numbers(values: FloatArray) -> list[float]:
    """The numbers of an output that a card keeps: at most :data:`MOST_NUMBERS`, at even distances."""
    numbers = values.ravel()
    kept = np.linspace(0, len(numbers) - 1, min(len(numbers), MOST_NUMBERS)).round().astype(int)
    return [float(f"{number:.6g}") for number in numbers[kept]]


def largest_difference(told: Mapping[str, Sequence[float]], found: Mapping[str, Sequence[float]]) -> tuple[float, str]:
    """Largest difference between outputs on a card and those found, and the output; infinite where one has no match.

    It is a share of the output's largest number where that is above 1.
    """
    differences = [(0.0, "")]
    for name, numbers in told.items():
        if len(found.get(name, ())) != len(numbers):
            return np.inf, name
        scale = max(1.0, *map(abs, numbers)) if numbers else 1.0
        differences += [(abs(one - other) / scale, name) for one, other in zip(numbers, found[name], strict=True)]
    return max(differences)
