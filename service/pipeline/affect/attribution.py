"""The exact attribution of a one-filter network: which column, at which lag, moved the answer (E16, E17).

The network is y[t] = Σ_f Σ_k x[f, t − before + k] · w[f, k] + b. With kernel 100 the span is that of
Keras' SAME padding, t − 49 … t + 50 (F18), so an answer needs 5.0 s of the future: a live answer lags by
5.0 s and half a window. Steps beyond the recording count as zeros. Each cell is x · w + b / (F · T); the
cells add up to y before it is clipped to −1…1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FILTER_NAME: Final = "filter"
"""Name of the initializer that holds the weights, [1, columns, kernel]."""

BIAS_NAME: Final = "bias"
"""Name of the initializer that holds the bias, [1]."""


@dataclass(frozen=True)
class Attribution:
    """The inputs that moved the answer, exact for a linear filter: mean over the steps at which a face is known.

    Attributes:
        features: names of the inputs.
        lags_s: float64 [lags], seconds relative to the answer; negative ones are the past.
        arousal, valence: float64 [features, lags]; all cells of one add up to the mean of its answers before
            they are clipped to −1…1.
        arousal_by_feature, valence_by_feature: float64 [features], the sums over the lags.
    """

    features: tuple[str, ...]
    lags_s: NDArray[np.float64]
    arousal: NDArray[np.float64]
    valence: NDArray[np.float64]
    arousal_by_feature: NDArray[np.float64]
    valence_by_feature: NDArray[np.float64]


@dataclass(frozen=True)
class AffectFilter:
    """A one-filter network: float64 [columns, kernel], and a bias that is added to every answer."""

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


def read_affect_filter(graph: bytes) -> AffectFilter | None:
    """Weights and bias of a one-filter network, read out of its graph.

    Args:
        graph: bytes of the ONNX file, already checked against the card's hash.

    Returns:
        The filter, or None where the graph has no initializers ``filter`` [1, columns, kernel] and
        ``bias`` [1]: deeper networks have no exact attribution.
    """
    import onnx  # it takes a while, and those who only name an attribution do without
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in onnx.load_from_string(graph).graph.initializer}
    if FILTER_NAME not in tensors or BIAS_NAME not in tensors:
        return None
    weights = numpy_helper.to_array(tensors[FILTER_NAME]).astype(np.float64)
    bias = numpy_helper.to_array(tensors[BIAS_NAME])
    if weights.ndim != 3 or weights.shape[0] != 1 or bias.shape != (1,):
        return None
    return AffectFilter(weights[0], float(bias[0]))


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
    """Attribution of every answer, summed over the lags: float64 [steps, columns]; a row's sum is the answer.

    ``features`` are float32 [steps, columns].
    """
    before, after = steps_before(model.kernel), steps_after(model.kernel)
    padded = np.pad(features.astype(np.float64), ((before, after), (0, 0)))
    parts = [np.correlate(padded[:, column], weights, mode="valid") for column, weights in enumerate(model.weights)]
    return np.stack(parts, axis=1) + model.bias / len(model.weights)


def answers(features: NDArray[np.float32], model: AffectFilter) -> NDArray[np.float64]:
    """The network's answers before clipping, float64 [steps]; the attribution adds up to them."""
    total: NDArray[np.float64] = by_column(features, model).sum(axis=1)
    return total


def attribute(
    features: NDArray[np.float32],
    names: tuple[str, ...],
    known: NDArray[np.bool_],
    arousal: AffectFilter,
    valence: AffectFilter,
    hop_s: float,
) -> Attribution | None:
    """Mean attribution over the steps that are known.

    Args:
        features: float32 [steps, columns].
        names: the names of the columns.
        known: bool [steps].
        arousal, valence: the filters.
        hop_s: seconds between two steps.

    Returns:
        None where no step is known, or where the filters differ in length.
    """
    runs = list(_runs(known))
    if not runs or arousal.kernel != valence.kernel:
        return None
    cells = [_mean_over(features, model, runs) for model in (arousal, valence)]
    return Attribution(
        features=names,
        lags_s=lags_s(arousal.kernel, hop_s),
        arousal=cells[0],
        valence=cells[1],
        arousal_by_feature=cells[0].sum(axis=1),
        valence_by_feature=cells[1].sum(axis=1),
    )


def _runs(known: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Begin and end of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _mean_over(columns: NDArray[np.float32], model: AffectFilter, runs: list[tuple[int, int]]) -> NDArray[np.float64]:
    total = np.zeros_like(model.weights)
    for start, stop in runs:
        total += mean_cells(columns, model, start, stop) * (stop - start)
    return np.asarray(total / sum(stop - start for start, stop in runs))
