"""Power spectra as ONNX nodes: framing, window and a Fourier transform in stages of matrix products.

A direct transform with fixed kernels (a convolution) takes fft_samples² products a frame. Here n = inner·a + b and
k = c + outer·d, with fft_samples = outer·inner, split it into a transform of length ``outer`` over a and one of length
``inner`` over b, whose kernels hold the phase between them: a twentieth of the products at 2048, and every operator has
a CUDA kernel. The signal is real, so c goes to outer / 2 only; the bins left out are mirrored ones. The two halves of a
frame are added for even c and subtracted for odd c, which halves the products of the first stage; where frames overlap
by half, both halves are the same blocks of the signal, one apart.
"""

from __future__ import annotations

from math import gcd
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from export.graphs.builder import GraphBuilder
from export.graphs.clip_ends import write_counter, write_silenced

Window = Literal["periodic", "symmetric"]


def hann(samples: int, kind: Window) -> NDArray[np.float64]:
    """Hann window: 'periodic' is librosa's, 'symmetric' (zero at both ends) is matplotlib's."""
    steps = samples if kind == "periodic" else samples - 1
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(samples) / steps)


def stage_lengths(fft_samples: int) -> tuple[int, int]:
    """(outer, inner): the even divisor and its partner that take the fewest products a frame."""
    outers = [outer for outer in range(2, fft_samples + 1, 2) if fft_samples % outer == 0]

    def products(outer: int) -> int:
        inner = fft_samples // outer
        return (outer + 2) * fft_samples + (outer // 2 + 1) * 4 * inner * inner

    outer = min(outers, key=products)
    return outer, fft_samples // outer


def outer_kernels(outer: int) -> NDArray[np.float64]:
    """Cosine and minus sine of each c over half a frame: [outer // 2 + 1, 2, outer // 2]."""
    angle = 2.0 * np.pi * np.outer(np.arange(outer // 2 + 1), np.arange(outer // 2)) / outer
    return np.stack([np.cos(angle), -np.sin(angle)], axis=1)


def inner_kernels(outer: int, inner: int) -> NDArray[np.float64]:
    """Complex products with exp(−2πi·b·(c + outer·d) / (outer·inner)) as real matrices.

    Returns:
        [outer // 2 + 1, 2·inner, 2·inner]: real parts of all d then imaginary parts, from those of all b.
    """
    bins = np.arange(outer // 2 + 1)[:, None, None] + outer * np.arange(inner)[None, :, None]
    angle = 2.0 * np.pi * bins * np.arange(inner) / (outer * inner)
    cosine, sine = np.cos(angle), np.sin(angle)
    real, imaginary = np.concatenate([cosine, sine], axis=2), np.concatenate([-sine, cosine], axis=2)
    return np.concatenate([real, imaginary], axis=1)


def places_of_bins(fft_samples: int) -> NDArray[np.int64]:
    """Where bin 0 … fft_samples // 2 stands among the rows of :func:`write_power`; mirrored bins have equal power."""
    outer, inner = stage_lengths(fft_samples)
    bins = np.arange(fft_samples // 2 + 1)
    mirrored = bins % outer > outer // 2
    bins = np.where(mirrored, fft_samples - bins, bins)
    place_of_c = np.argsort(np.concatenate(_even_and_odd(outer)))
    return place_of_c[bins % outer] * inner + bins // outer


def write_halves(
    graph: GraphBuilder, signal: str, frames: str, ends: str | None, fft_samples: int, hop_samples: int
) -> tuple[str, str]:
    """Cut a signal into frames, a column for each.

    Args:
        signal: float32 [batch, (frames − 1)·hop_samples + fft_samples].
        frames: int64 [1], the number of frames.
        ends: int64 [batch]; samples from there on count as zeros. None where they are zeros.

    Returns:
        The first and the second half of the frames, float32 [fft_samples / 2, batch·columns] each. A clip has at least
        ``frames`` columns; what is in those behind must not be used.
    """
    half, block = fft_samples // 2, gcd(fft_samples, hop_samples)
    blocks = graph.add("Reshape", signal, graph.constant([0, -1, block]))
    if ends:
        blocks = write_silenced(graph, blocks, ends, block)
    if hop_samples == half:
        first = graph.add("Transpose", graph.add("Reshape", blocks, graph.constant([-1, half])), perm=[1, 0])
        # The second half of a frame is the first half of the next: a step to the left in memory.
        moved = graph.add("Pad", graph.add("Reshape", first, graph.constant([-1])), graph.constant([-1, 1]))
        return first, graph.add("Reshape", moved, graph.constant([half, -1]))
    starts = graph.add("Mul", write_counter(graph, frames), graph.constant([hop_samples // block]))
    offsets = graph.constant(np.arange(fft_samples // block))
    places = graph.add("Add", graph.add("Unsqueeze", starts, graph.constant([1])), offsets)
    cut = graph.add("Reshape", graph.add("Gather", blocks, places, axis=1), graph.constant([-1, fft_samples]))
    first, second = graph.split(graph.add("Transpose", cut, perm=[1, 0]), 2, axis=0)
    return first, second


def write_power(
    graph: GraphBuilder, halves: tuple[str, str], fft_samples: int, window: Window, *, density: bool = False
) -> str:
    """Add the transform and take |·|².

    Args:
        halves: see :func:`write_halves`.
        density: matplotlib's one-sided density: bins that stand for two count twice. It is shown without a floor, where
            rounding to float32 would be noise at −150 dB, so the transform is computed in float64.

    Returns:
        float32 [(outer // 2 + 1)·inner, batch·columns]; :func:`places_of_bins` says which row is which bin.
    """
    outer, inner = stage_lengths(fft_samples)
    dtype = np.float64 if density else np.float32
    first_kernels, second_kernels = outer_kernels(outer).astype(dtype), inner_kernels(outer, inner)
    if density:
        second_kernels *= _one_sided(outer, inner)
    second_kernels = second_kernels.astype(dtype)
    weights = hann(fft_samples, window).reshape(2, -1, 1).astype(dtype)
    windowed = []
    for half, weight, name in zip(halves, weights, ("window_1", "window_2"), strict=True):
        given = graph.add("Cast", half, to=TensorProto.DOUBLE) if density else half
        windowed.append(graph.add("Mul", given, graph.constant(weight, name)))
    powers = []
    for operator, chosen in zip(("Add", "Sub"), _even_and_odd(outer), strict=True):
        first = graph.add("Reshape", graph.add(operator, *windowed), graph.constant([outer // 2, -1]))
        flat_kernels = first_kernels[chosen].reshape(-1, outer // 2)
        # [outer / 2, inner·columns]: one product does the first stage of all frames.
        first = graph.add("MatMul", graph.constant(flat_kernels, f"outer_kernels_{operator.lower()}"), first)
        second = graph.add("Reshape", first, graph.constant([len(chosen), 2 * inner, -1]))
        kernels = graph.constant(second_kernels[chosen], f"inner_kernels_{operator.lower()}")
        spectrum = graph.add("MatMul", kernels, second)
        if density:
            spectrum = graph.add("Cast", spectrum, to=TensorProto.FLOAT)
        real, imaginary = graph.split(graph.add("Mul", spectrum, spectrum), 2, axis=1)
        power = graph.add("Add", real, imaginary)
        powers.append(graph.add("Reshape", power, graph.constant([len(chosen) * inner, -1])))
    return graph.add("Concat", *powers, axis=0)


def _even_and_odd(outer: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Even and odd c in 0 … outer / 2."""
    numbers = np.arange(outer // 2 + 1)
    return numbers[::2], numbers[1::2]


def _one_sided(outer: int, inner: int) -> NDArray[np.float64]:
    """Factors of amplitudes, [outer // 2 + 1, 2·inner, 1]: √2 where a bin stands for two, 1 at 0 Hz and at the top."""
    bins = np.arange(outer // 2 + 1)[:, None] + outer * np.arange(inner)
    alone = bins % (outer * inner // 2) == 0
    return np.tile(np.where(alone, 1.0, np.sqrt(2.0)), 2)[:, :, None]
