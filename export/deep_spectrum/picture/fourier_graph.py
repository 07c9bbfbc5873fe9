"""Power spectra as ONNX nodes: framing, window and a Fourier transform in stages of matrix products.

A direct transform with fixed kernels (a convolution) takes fft_samples² products a frame. Here n = inner·a + b and
k = c + outer·d, with fft_samples = outer·inner, split it into a transform of length ``outer`` over a and one of length
``inner`` over b, whose kernels hold the phase between them: a thirtieth of the products at 2048, and every operator has
a CUDA kernel. The signal is real, so c goes to outer / 2 only; the bins left out are mirrored ones. The two halves of a
frame are added for even c and subtracted for odd c, which halves the products of the first stage; where frames overlap
by half, both halves are the same blocks of the signal, one apart. In long frames the two halves of b are added for even
d and subtracted for odd d too, which halves the products of the second.
"""

from dataclasses import dataclass
from math import gcd
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from export.graph.builder import GraphBuilder

Window = Literal["periodic", "symmetric"]

SUM_PRODUCTS = 20
"""Products that take about as long as splitting off, adding and subtracting a number between the stages."""
ALIASED_SAMPLES = 1024
"""Rows that are a multiple of 4096 bytes apart share lines of the processor's cache: turning them takes four times as
long."""


def hann(samples: int, kind: Window) -> NDArray[np.float64]:
    """Hann window: 'periodic' is librosa's, 'symmetric' (zero at both ends) is matplotlib's."""
    steps = samples if kind == "periodic" else samples - 1
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(samples) / steps)


@dataclass(frozen=True)
class Stages:
    """How a transform is split: n = parts·inner·a + inner·e + f and k = c + outer·(e' + parts·g).

    Attributes:
        outer: length of the first stage, even.
        parts: 2 where the halves of what is left are added and subtracted between the stages, else 1.
        inner: length of the second stage.
    """

    outer: int
    parts: int
    inner: int

    @property
    def step(self) -> int:
        """Bins from one g to the next."""
        return self.outer * self.parts

    @property
    def cost(self) -> int:
        """Products a frame, and sums between the stages in the same unit."""
        first = (self.outer + 2) * self.outer * self.parts * self.inner
        second = (self.outer // 2 + 1) * self.parts * 4 * self.inner**2
        return first + second + (self.parts - 1) * SUM_PRODUCTS * self.step * self.inner

    def groups(self) -> list[list[NDArray[np.int64]]]:
        """Least bin of each row of kernels, c + outer·e': lists for even and for odd c, an array for each e'."""
        numbers = np.arange(self.outer // 2 + 1)
        return [[chosen + self.outer * part for part in range(self.parts)] for chosen in (numbers[::2], numbers[1::2])]


def stages(fft_samples: int) -> Stages:
    """The cheapest split of a frame."""
    outers = [outer for outer in range(2, fft_samples + 1, 2) if fft_samples % outer == 0]
    splits = [Stages(outer, 1, fft_samples // outer) for outer in outers]
    halved = [Stages(outer, 2, fft_samples // outer // 2) for outer in outers if fft_samples // outer % 2 == 0]
    return min(splits + halved, key=lambda split: split.cost)


def outer_kernels(split: Stages, numbers: NDArray[np.int64], part: int) -> NDArray[np.float64]:
    """Cosine and minus sine over half a frame: [2 · c in ``numbers``, outer // 2].

    The phase between the parts is in those of the second part.
    """
    places = np.arange(split.outer // 2) + part / split.parts
    angle = 2.0 * np.pi * np.outer(numbers, places) / split.outer
    return np.stack([np.cos(angle), -np.sin(angle)], axis=1).reshape(-1, split.outer // 2)


def inner_kernels(split: Stages, least_bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Complex products with exp(−2πi·f·bin / fft_samples) as real matrices, bin = least bin + step·g.

    Returns:
        [least bins, 2·inner, 2·inner]: real parts of all g then imaginary parts, from those of all f.
    """
    bins = least_bins[:, None, None] + split.step * np.arange(split.inner)[None, :, None]
    angle = 2.0 * np.pi * bins * np.arange(split.inner) / (split.step * split.inner)
    cosine, sine = np.cos(angle), np.sin(angle)
    real, imaginary = np.concatenate([cosine, sine], axis=2), np.concatenate([-sine, cosine], axis=2)
    return np.concatenate([real, imaginary], axis=1)


def places_of_bins(fft_samples: int) -> NDArray[np.int64]:
    """Place of bin 0 … fft_samples // 2 among the rows of :func:`write_power`; mirrored bins have equal power."""
    split = stages(fft_samples)
    least_bins = np.concatenate([part for parts in split.groups() for part in parts])
    bins = np.arange(fft_samples // 2 + 1)
    bins = np.where(np.isin(bins % split.step, least_bins), bins, fft_samples - bins)
    place_of_least = np.zeros(split.step, dtype=np.int64)
    place_of_least[least_bins] = np.arange(len(least_bins))
    return place_of_least[bins % split.step] * split.inner + bins // split.step


def write_halves(graph: GraphBuilder, signal: str, fft_samples: int, hop_samples: int) -> tuple[str, str]:
    """Cut a signal into frames, a column for each.

    Args:
        signal: float32 [batch, n·hop_samples + fft_samples].

    Returns:
        The first and the second half of the frames, float32 [:func:`half_rows`, batch·columns] each. A clip has at
        least n + 1 columns; what is in those behind must not be used.
    """
    half, block = fft_samples // 2, gcd(fft_samples, hop_samples)
    if hop_samples == half:
        rows = half_rows(fft_samples, hop_samples)
        blocks = graph.add("Reshape", signal, graph.constant([-1, half]))
        if rows > half:
            blocks = graph.add("Pad", blocks, graph.constant([0, 0, 0, rows - half]))
        return overlapping_halves(graph, graph.add("Transpose", blocks, perm=[1, 0]), rows)
    blocks = graph.add("Reshape", signal, graph.constant([0, -1, block]))
    behind_last = graph.add(
        "Sub", graph.add("Shape", blocks, start=1, end=2), graph.constant([fft_samples // block - 1])
    )
    zero, step = graph.constant(np.array(0)), graph.constant(np.array(hop_samples // block))
    starts = graph.add("Range", zero, graph.add("Squeeze", behind_last), step)
    offsets = graph.constant(np.arange(fft_samples // block))
    places = graph.add("Add", graph.add("Unsqueeze", starts, graph.constant([1])), offsets)
    cut = graph.add("Reshape", graph.add("Gather", blocks, places, axis=1), graph.constant([-1, fft_samples]))
    first, second = graph.split(graph.add("Transpose", cut, perm=[1, 0]), 2, axis=0)
    return first, second


def overlapping_halves(graph: GraphBuilder, first: str, rows: int) -> tuple[str, str]:
    """Both halves of frames that overlap by half, from the first: [rows, batch·columns]."""
    # The second half of a frame is the first half of the next: a step to the left in memory.
    moved = graph.add("Pad", graph.add("Reshape", first, graph.constant([-1])), graph.constant([-1, 1]))
    return first, graph.add("Reshape", moved, graph.constant([rows, -1]))


def half_rows(fft_samples: int, hop_samples: int) -> int:
    """Rows of half a frame: its samples, and zeros behind them where rows would share lines of the cache."""
    half, split = fft_samples // 2, stages(fft_samples)
    return half + split.parts * split.inner * (hop_samples == half and half % ALIASED_SAMPLES == 0)


def write_power(
    graph: GraphBuilder,
    halves: tuple[str, str],
    fft_samples: int,
    hop_samples: int,
    window: Window,
    *,
    density: bool = False,
) -> str:
    """Add the transform and take |·|².

    Args:
        halves: see :func:`write_halves`.
        density: matplotlib's one-sided density: bins that stand for two count twice. It is shown without a floor, where
            rounding to float32 would be noise at −150 dB, so the transform is computed in float64.

    Returns:
        float32 [(outer // 2 + 1)·parts·inner, batch·columns]; :func:`places_of_bins` says which row is which bin.
    """
    split, dtype = stages(fft_samples), np.float64 if density else np.float32
    rows = half_rows(fft_samples, hop_samples)
    weights = hann(fft_samples, window).reshape(2, -1)
    weights = np.pad(weights, ((0, 0), (0, rows - fft_samples // 2)))[:, :, None].astype(dtype)
    windowed = []
    for half, weight, name in zip(halves, weights, ("window_1", "window_2"), strict=True):
        given = graph.add("Cast", half, to=TensorProto.DOUBLE) if density else half
        windowed.append(graph.add("Mul", given, graph.constant(weight, name)))
    firsts, least_bins = [], []
    for operator, group in zip(("Add", "Sub"), split.groups(), strict=True):
        firsts += _first_stage(graph, split, graph.add(operator, *windowed), group[0], rows, dtype)
        least_bins += group
    if density:
        # Joined as float32: copies of float64 take longer than the nodes.
        spectra = [_second_stage(graph, split, *part, density) for part in zip(firsts, least_bins, strict=True)]
        spectra = [graph.add("Cast", spectrum, to=TensorProto.FLOAT) for spectrum in spectra]
        spectrum = graph.add("Concat", *spectra, axis=0)
    else:
        # One second stage for all: the nodes take longer than the copy.
        joined = graph.add("Concat", *firsts, axis=0)
        spectrum = _second_stage(graph, split, joined, np.concatenate(least_bins), density)
    real, imaginary = graph.split(graph.add("Mul", spectrum, spectrum), 2, axis=1)
    places = sum(map(len, least_bins)) * split.inner
    return graph.add("Reshape", graph.add("Add", real, imaginary), graph.constant([places, -1]))


def _first_stage(
    graph: GraphBuilder, split: Stages, folded: str, numbers: NDArray[np.int64], rows: int, dtype: type[np.floating]
) -> list[str]:
    """The transform over a for all c in ``numbers``.

    Args:
        folded: sum or difference of the halves, [rows, columns].

    Returns:
        For each e' [2·c, inner·columns].
    """
    places = rows // (split.parts * split.inner)
    # [places, parts·inner·columns]: one product does the first stage of all frames.
    folded = graph.add("Reshape", folded, graph.constant([places, -1]))
    parts = graph.split(folded, split.parts, axis=1) if split.parts > 1 else [folded]
    products = []
    for part, value in enumerate(parts):
        kernels = outer_kernels(split, numbers, part)
        kernels = np.pad(kernels, ((0, 0), (0, places - kernels.shape[1]))).astype(dtype)
        products.append(graph.add("MatMul", graph.constant(kernels), value))
    return [graph.add(operator, *products) for operator in ("Add", "Sub")] if split.parts > 1 else products


def _second_stage(graph: GraphBuilder, split: Stages, first: str, least_bins: NDArray[np.int64], density: bool) -> str:
    """The transform over f.

    Args:
        first: [2 · least bins, inner·columns].

    Returns:
        [least bins, 2·inner, columns], real parts before imaginary ones; in float64 for a density.
    """
    kernels = inner_kernels(split, least_bins)
    if density:
        kernels *= _one_sided(split, least_bins)
    first = graph.add("Reshape", first, graph.constant([len(least_bins), 2 * split.inner, -1]))
    return graph.add("MatMul", graph.constant(kernels.astype(np.float64 if density else np.float32)), first)


def _one_sided(split: Stages, least_bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Factors of amplitudes, [least bins, 2·inner, 1]: √2 where a bin stands for two, 1 at 0 Hz and at the top."""
    bins = least_bins[:, None] + split.step * np.arange(split.inner)
    alone = bins % (split.step * split.inner // 2) == 0
    return np.tile(np.where(alone, 1.0, np.sqrt(2.0)), 2)[:, :, None]
