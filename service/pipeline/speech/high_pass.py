"""A Butterworth high-pass of order 4 over steps of one length.

A recursive filter does two things in a step: it answers the step's own samples, which is one short transform with its
impulse response, and it lets four numbers of state ring on, which tell all that earlier steps left behind. Each step is
computed by itself, so the result does not depend, not even by rounding, on how many steps come at once.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray

_QUALITIES: Final = (0.5412, 1.3066)
"""Qualities of the two resonances that make a Butterworth filter of order 4."""


class HighPass:
    """Filters one channel. Not thread-safe: steps follow each other.

    Args:
        rate_hz: sample rate.
        step_samples: length of a step.
        corner_hz: frequency at which 3 dB are lost.

    Attributes:
        state: float64 [4], what the steps so far leave behind; None before the first.
    """

    def __init__(self, rate_hz: int, step_samples: int, corner_hz: float) -> None:
        self._design = _design(rate_hz, step_samples, corner_hz)
        self._step = step_samples
        self.state: NDArray[np.float64] | None = None

    def take(self, steps: FloatArray) -> FloatArray:
        """Filter the next steps, float32 [steps, samples], into float32 of that shape.

        What comes before the first sample is taken to be like it, so that an offset leaves no step there.
        """
        design = self._design
        state = self.state if self.state is not None else design.at_rest * float(steps[0, 0])
        left = np.stack([(steps * number).sum(axis=1) for number in design.left_behind], axis=1)
        before = np.empty((len(steps), 4))
        for place in range(len(steps)):
            before[place] = state
            state = design.over_a_step @ state + left[place]
        self.state = state
        own = np.fft.irfft(np.fft.rfft(steps, 2 * self._step) * design.response)[:, : self._step]
        ringing = sum(before[:, number, None] * ring for number, ring in enumerate(design.rings))
        return np.asarray(own + ringing, np.float32)


@dataclass(frozen=True)
class _Design:
    """The filter over steps of n samples.

    Attributes:
        response: complex64 [n + 1], transform of the first n samples of its impulse response, zeros behind them.
        rings: float64 [4, n], what a state of one in each number adds to the step that follows.
        left_behind: float64 [4, n], what each sample of a step adds to the state behind it.
        over_a_step: float64 [4, 4], what a step makes of the state before it.
        at_rest: float64 [4], the state after an endless one.
    """

    response: NDArray[np.complex64]
    rings: NDArray[np.float64]
    left_behind: NDArray[np.float64]
    over_a_step: NDArray[np.float64]
    at_rest: NDArray[np.float64]


@cache
def _design(rate_hz: int, step_samples: int, corner_hz: float) -> _Design:
    a, b, c, d = _cascade(rate_hz, corner_hz)
    powers = [np.eye(4)]
    for _ in range(step_samples):
        powers.append(a @ powers[-1])
    rings = np.stack([c @ power for power in powers[:step_samples]], axis=1)
    impulse = np.concatenate([[d], b @ rings[:, :-1]])
    return _Design(
        response=np.fft.rfft(impulse, 2 * step_samples).astype(np.complex64),
        rings=rings,
        left_behind=np.stack([power @ b for power in powers[step_samples - 1 :: -1]], axis=1),
        over_a_step=powers[step_samples],
        at_rest=np.asarray(np.linalg.solve(np.eye(4) - a, b), np.float64),
    )


def _cascade(rate_hz: int, corner_hz: float) -> tuple[NDArray[np.float64], ...]:
    """Both resonances one behind the other, as matrices of state: next = a·state + b·x, y = c·state + d·x.

    Each is s² / (s² + s/Q + 1) under the bilinear transform, in the transposed direct form II.
    """
    corner = np.tan(np.pi * corner_hz / rate_hz)
    parts = []
    for quality in _QUALITIES:
        scale = 1 + corner / quality + corner**2
        gain, first, second = 1 / scale, 2 * (corner**2 - 1) / scale, (1 - corner / quality + corner**2) / scale
        a = np.array([[-first, 1.0], [-second, 0.0]])
        b = np.array([-2 * gain - first * gain, gain - second * gain])
        parts.append((a, b, np.array([1.0, 0.0]), gain))
    (a1, b1, c1, d1), (a2, b2, c2, d2) = parts
    a = np.block([[a1, np.zeros((2, 2))], [np.outer(b2, c1), a2]])
    return a, np.concatenate([b1, b2 * d1]), np.concatenate([d2 * c1, c2]), np.asarray(d1 * d2)
