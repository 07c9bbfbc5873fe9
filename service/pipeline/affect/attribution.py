"""The exact attribution of a one-filter network: which column, at which lag and when, moved the answer (E16, E17).

The network is y[t] = Σ_f Σ_k x[f, t − before + k] · w[f, k] + b. With kernel 100 the span is that of
Keras' SAME padding, t − 49 … t + 50 (F18), so an answer needs 5.0 s of the future: a live answer lags by
5.0 s and half a window. Steps beyond the recording count as zeros. In E17 each cell is x · w + b / (F · T).
What is told of a recording is the deviation from a face at rest, (x − rest) · w, and that face's answer
apart as the baseline; both add up to y before it is clipped to −1…1. Lags at which all weights are 0 are left out.
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

AT_REST: Final = {"confidence_mean": 0.98}
"""Columns of a face at rest that are not 0: OpenFace and this service are that sure of a face that they follow."""

LEAST_CONTRIBUTION: Final = 0.05
"""Least part of an answer, on the scale of −1…1, that is told in words: a choice, a fortieth of the scale."""

LEAST_SHARE: Final = 0.25
"""Least share of the recording's largest part that is told in words; a choice."""

LONGEST_GAP_S: Final = 0.5
"""Pauses up to this length do not end a stretch that is told in words, and shorter stretches are not told; a choice."""

MOST_MOMENTS: Final = 5
"""Number of stretches of one target that are told in words: those that moved it most."""


@dataclass(frozen=True)
class Moment:
    """A stretch in which one column moved the answer.

    Attributes:
        target: 'arousal' or 'valence'.
        feature: name of the column.
        start_s, end_s: seconds on the clock of the timeline.
        contribution: mean of what the column added to the answers in it.
    """

    target: str
    feature: str
    start_s: float
    end_s: float
    contribution: float


@dataclass(frozen=True)
class Attribution:
    """The inputs that moved the answer, exact for a linear filter: mean over the steps at which a face is known.

    Attributes:
        features: names of the inputs.
        lags_s: float64 [lags], seconds relative to the answer; negative ones are the past.
        arousal, valence: float64 [features, lags]; all cells of one and its baseline add up to the mean of its answers
            before they are clipped to −1…1.
        arousal_by_feature, valence_by_feature: float64 [features], the sums over the lags.
        arousal_baseline, valence_baseline: mean of the answers to a face at rest of which nobody speaks.
        moments: the stretches that moved each target most, arousal first, in the order of their begins.
    """

    features: tuple[str, ...]
    lags_s: NDArray[np.float64]
    arousal: NDArray[np.float64]
    valence: NDArray[np.float64]
    arousal_by_feature: NDArray[np.float64]
    valence_by_feature: NDArray[np.float64]
    arousal_baseline: float = 0.0
    valence_baseline: float = 0.0
    moments: tuple[Moment, ...] = ()


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
    rest = np.zeros_like(features)
    for name, value in AT_REST.items():
        rest[:, names.index(name)] = value
    cells, baselines, moments = [], [], list[Moment]()
    for target, model in (("arousal", arousal), ("valence", valence)):
        moving = AffectFilter(model.weights, 0.0)
        cells.append(_mean_over(features - rest, moving, runs))
        baselines.append(float(_mean_over(rest, model, runs).sum()))
        parts = np.where(known[:, None], by_column(features - rest, moving), 0.0)
        moments += _moments(target, names, parts, hop_s)
    used = np.flatnonzero(np.any([*arousal.weights, *valence.weights], axis=0))
    lags = slice(used[0], used[-1] + 1) if len(used) else slice(None)
    return Attribution(
        features=names,
        lags_s=lags_s(arousal.kernel, hop_s)[lags],
        arousal=cells[0][:, lags],
        valence=cells[1][:, lags],
        arousal_by_feature=cells[0].sum(axis=1),
        valence_by_feature=cells[1].sum(axis=1),
        arousal_baseline=baselines[0],
        valence_baseline=baselines[1],
        moments=tuple(moments),
    )


def _moments(target: str, names: tuple[str, ...], parts: NDArray[np.float64], hop_s: float) -> list[Moment]:
    """The stretches that moved a target most, of the parts [steps, columns] that each column added."""
    least = max(LEAST_CONTRIBUTION, LEAST_SHARE * float(np.abs(parts).max()))
    found = []
    for column in np.flatnonzero(np.abs(parts).max(axis=0) >= least).tolist():
        part = parts[:, column]
        pause = round(LONGEST_GAP_S / hop_s)
        strong = np.abs(part) >= least
        for start, stop in _runs(~strong):
            strong[start:stop] = start > 0 and stop < len(strong) and stop - start <= pause
        found += [(column, start, stop) for start, stop in _runs(strong) if stop - start >= pause]
    found = sorted(found, key=lambda one: -abs(parts[one[1] : one[2], one[0]].sum()))[:MOST_MOMENTS]
    return [
        Moment(target, names[column], start * hop_s, (stop - 1) * hop_s, float(parts[start:stop, column].mean()))
        for column, start, stop in sorted(found, key=lambda one: one[1:])
    ]


def _runs(known: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Begin and end of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _mean_over(columns: NDArray[np.float32], model: AffectFilter, runs: list[tuple[int, int]]) -> NDArray[np.float64]:
    total = np.zeros_like(model.weights)
    for start, stop in runs:
        total += mean_cells(columns, model, start, stop) * (stop - start)
    return np.asarray(total / sum(stop - start for start, stop in runs))
