"""Power spectra as ONNX nodes: framing, window and a Fourier transform in two stages of matrix products.

A direct transform with fixed kernels (a convolution) takes fft_samples² products a frame. Here n = inner·a + b and
k = c + outer·d, with fft_samples = outer·inner, split it into a transform of length ``outer`` over a and one of length
``inner`` over b, whose kernels hold the phase between them: a sixteenth of the products at 2048, and every operator has
a CUDA kernel. The signal is real, so c goes to outer / 2 only; the bins left out are mirrored ones.
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
    """Cosine and minus sine of each c: [2·(outer // 2 + 1), outer]."""
    angle = 2.0 * np.pi * np.outer(np.arange(outer // 2 + 1), np.arange(outer)) / outer
    return np.stack([np.cos(angle), -np.sin(angle)], axis=1).reshape(-1, outer)


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
    return bins % outer * inner + bins // outer


def write_frames(
    graph: GraphBuilder, signal: str, frames: str, ends: str | None, fft_samples: int, hop_samples: int
) -> str:
    """Cut a signal into frames.

    Args:
        signal: float32 [batch, (frames − 1)·hop_samples + fft_samples].
        frames: int64 [1], the number of frames.
        ends: int64 [batch]; samples from there on count as zeros. None where they are zeros.

    Returns:
        float32 [batch, frames, fft_samples].
    """
    block = gcd(fft_samples, hop_samples)
    blocks = graph.add("Reshape", signal, graph.constant([0, -1, block]))
    if ends:
        blocks = write_silenced(graph, blocks, ends, block)
    starts = graph.add("Mul", write_counter(graph, frames), graph.constant([hop_samples // block]))
    offsets = graph.constant(np.arange(fft_samples // block))
    places = graph.add("Add", graph.add("Unsqueeze", starts, graph.constant([1])), offsets)
    return graph.add("Reshape", graph.add("Gather", blocks, places, axis=1), graph.constant([0, -1, fft_samples]))


def write_power(graph: GraphBuilder, frames: str, fft_samples: int, window: Window, *, double: bool = False) -> str:
    """Add the transform and take |·|².

    Args:
        frames: float32 [batch, frames, fft_samples].
        double: compute in float64, for what is shown without a floor: rounding to float32 is noise at −150 dB.

    Returns:
        float32 [(outer // 2 + 1)·inner, batch·frames]; :func:`places_of_bins` says which row is which bin.
    """
    outer, inner = stage_lengths(fft_samples)
    dtype = np.float64 if double else np.float32
    upright = graph.add("Transpose", graph.add("Reshape", frames, graph.constant([-1, fft_samples])), perm=[1, 0])
    if double:
        upright = graph.add("Cast", upright, to=TensorProto.DOUBLE)
    windowed = graph.add("Mul", upright, graph.constant(hann(fft_samples, window)[:, None].astype(dtype), "window"))
    # [outer, inner·frames]: one product does the first stage of all frames.
    first = graph.add("Reshape", windowed, graph.constant(np.array([outer, -1])))
    first = graph.add("MatMul", graph.constant(outer_kernels(outer).astype(dtype), "outer_kernels"), first)
    second = graph.add("Reshape", first, graph.constant([outer // 2 + 1, 2 * inner, -1]))
    kernels = graph.constant(inner_kernels(outer, inner).astype(dtype), "inner_kernels")
    real, imaginary = graph.split(graph.add("MatMul", kernels, second), 2, axis=1)
    power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    if double:
        power = graph.add("Cast", power, to=TensorProto.FLOAT)
    return graph.add("Reshape", power, graph.constant([(outer // 2 + 1) * inner, -1]))
