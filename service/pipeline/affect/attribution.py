"""Which column, at which lag, moved the answer: the exact attribution of a one-filter network (E16, E17).

The network is y[t] = Σ_f Σ_k x[f, t − before + k] · w[f, k] + b. With kernel 100 the span is that of
Keras' SAME padding, t − 49 … t + 50 (F18), so an answer needs 5.0 s of the future: a live answer lags by
5.0 s and half a window. Steps beyond the recording count as zeros. Each cell is x · w + b / (F · T); the
cells add up to y before it is clipped to −1…1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AffectFilter:
    """The whole of a one-filter network.

    Attributes:
        weights: float64 [columns, kernel].
        bias: added to every answer.
    """

    weights: NDArray[np.float64]
    bias: float

    @property
    def kernel(self) -> int:
        """Length of the filter in steps."""
        return int(self.weights.shape[1])


def steps_before(kernel: int) -> int:
    """Steps of the past in a SAME span: 49 of kernel 100."""
    return (kernel - 1) // 2


def steps_after(kernel: int) -> int:
    """Steps of the future in a SAME span: 50 of kernel 100, which is the look-ahead of 5.0 s at 10 Hz."""
    return kernel // 2


def lags_s(kernel: int, hop_s: float) -> NDArray[np.float64]:
    """Seconds of each tap relative to the answer, float64 [kernel]: −4.9 … 5.0 of kernel 100 at 10 Hz."""
    return np.arange(kernel, dtype=np.float64) * hop_s - steps_before(kernel) * hop_s


def cells_at(features: NDArray[np.float32], model: AffectFilter, step: int) -> NDArray[np.float64]:
    """Attribution of one answer, float64 [columns, kernel]; the sum is that answer.

    Args:
        features: float32 [steps, columns].
        model: the filter.
        step: which answer, 0 … steps − 1.
    """
    return mean_cells(features, model, step, step + 1)


def mean_cells(
    features: NDArray[np.float32], model: AffectFilter, start: int = 0, stop: int | None = None
) -> NDArray[np.float64]:
    """Mean attribution of a range of answers, float64 [columns, kernel]; the sum is their mean.

    The mean of a shifted column is a difference of prefix sums, so the cost does not grow with the kernel.

    Args:
        features: float32 [steps, columns].
        model: the filter.
        start: first answer.
        stop: one beyond the last answer; by default the end.

    Raises:
        ValueError: an empty range or one beyond the recording.
    """
    stop = len(features) if stop is None else stop
    if not 0 <= start < stop <= len(features):
        raise ValueError("the range of answers is empty or beyond the recording")
    kernel = model.kernel
    reach = features[max(start - steps_before(kernel), 0) : stop + steps_after(kernel)].astype(np.float64)
    lead = max(steps_before(kernel) - start, 0)
    tail = (stop - start) + kernel - 1 - lead - len(reach)
    padded = np.pad(reach, ((lead + 1, tail), (0, 0)))
    sums = np.cumsum(padded, axis=0)
    means = (sums[stop - start :][:kernel] - sums[:kernel]) / (stop - start)
    return means.T * model.weights + model.bias / model.weights.size


def by_column(features: NDArray[np.float32], model: AffectFilter) -> NDArray[np.float64]:
    """Attribution of every answer summed over the lags, float64 [steps, columns]; a row's sum is the answer.

    Args:
        features: float32 [steps, columns].
        model: the filter.
    """
    before, after = steps_before(model.kernel), steps_after(model.kernel)
    padded = np.pad(features.astype(np.float64), ((before, after), (0, 0)))
    parts = [np.correlate(padded[:, column], weights, mode="valid") for column, weights in enumerate(model.weights)]
    return np.stack(parts, axis=1) + model.bias / len(model.weights)


def answers(features: NDArray[np.float32], model: AffectFilter) -> NDArray[np.float64]:
    """What the network says before clipping, float64 [steps]; the attribution adds up to it."""
    total: NDArray[np.float64] = by_column(features, model).sum(axis=1)
    return total
