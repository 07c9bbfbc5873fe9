"""Where a clip begins and ends, as ONNX nodes."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from export.graphs.builder import FLOAT, GraphBuilder

BLOCK_SAMPLES = 256
"""Samples that are looked through at once for the first and the last that is not zero."""
SIXTEEN_BIT = 32768.0


def write_counter(graph: GraphBuilder, count: str) -> str:
    """0 … count − 1, int64 [count], from an int64 [1]."""
    zero, one = graph.constant(np.array(0)), graph.constant(np.array(1))
    return graph.add("Range", zero, graph.add("Squeeze", count), one)


def write_silenced(graph: GraphBuilder, blocks: str, ends: str, block_samples: int) -> str:
    """Zero what lies behind each clip: a sample's factor is how far the end is beyond it, within 0 … 1.

    Args:
        blocks: float32 [batch, blocks, block_samples].
        ends: int64 [batch], in samples.
    """
    count = graph.add("Shape", blocks, start=1, end=2)
    starts = graph.add("Mul", write_counter(graph, count), graph.constant([block_samples]))
    left = graph.add("Sub", graph.add("Unsqueeze", ends, graph.constant([1])), starts)
    left = graph.add("Min", graph.add("Max", left, graph.constant([0])), graph.constant([block_samples]))
    left = graph.add("Unsqueeze", graph.add("Cast", left, to=FLOAT), graph.constant([2]))
    beyond = graph.add("Sub", left, graph.constant(np.arange(block_samples, dtype=np.float32)))
    return graph.add("Mul", blocks, graph.add("Clip", beyond, graph.constant(0.0), graph.constant(1.0)))


def write_sixteen_bit(graph: GraphBuilder, waveform: str) -> str:
    """Round to the steps of 16-bit wav files, in those steps.

    A plot without a floor shows a decoder's or a resampler's residue of 1e-30 as if it were sound; a file has none.
    """
    return graph.add("Round", graph.add("Mul", waveform, graph.constant(SIXTEEN_BIT)))


def write_trimmed(graph: GraphBuilder, waveform: str, lengths: str) -> tuple[str, str]:
    """Leave out zero samples at both ends of each clip (D2); a clip of zeros keeps its length or more.

    Returns:
        float32 [batch, samples or more] that starts at the first sample that is not zero and is zero behind the clip,
        and the new lengths int64 [batch].
    """
    one, two = graph.constant([1]), graph.constant([2])
    block = graph.constant([BLOCK_SAMPLES])
    samples = graph.add("Shape", waveform, start=1, end=2)
    behind = graph.add("Mod", graph.add("Neg", samples), block)
    padded = graph.add("Pad", waveform, graph.add("Concat", graph.constant([0, 0, 0]), behind, axis=0))
    blocks = graph.add("Reshape", padded, graph.constant([0, -1, BLOCK_SAMPLES]))
    blocks = write_silenced(graph, blocks, lengths, BLOCK_SAMPLES)
    magnitude = graph.add("Abs", blocks)
    sounding = graph.add("ReduceMax", magnitude, two, keepdims=0)
    places = []
    for place_of in (_first_positive, _last_positive):
        number = place_of(graph, sounding)
        offset = place_of(graph, graph.add("GatherND", magnitude, number, batch_dims=1))
        places.append(graph.add("Add", graph.add("Mul", number, block), offset))
    first, last_place = places
    length = graph.add("Add", graph.add("Sub", last_place, first), one)
    flat = graph.add("Reshape", blocks, graph.constant([0, -1]))
    end = graph.add("Cast", graph.add("Shape", flat, start=1, end=2), to=TensorProto.INT32)
    zero, step = (graph.constant(np.array(value, dtype=np.int32)) for value in (0, 1))
    # Places are counted from the end, so that those beyond it are the zeros in front of the clip.
    counter = graph.add("Range", graph.add("Neg", graph.add("Squeeze", end)), zero, step)
    moved = graph.add("Add", counter, graph.add("Cast", first, to=TensorProto.INT32))
    return graph.add("GatherElements", flat, moved, axis=1), graph.add("Squeeze", length, one)


def _first_positive(graph: GraphBuilder, values: str) -> str:
    """Place in each row of [batch, n], int64 [batch, 1]; 0 where there is none."""
    positive = graph.add("Cast", graph.add("Greater", values, graph.constant(0.0)), to=FLOAT)
    return graph.add("ArgMax", positive, axis=1, keepdims=1)


def _last_positive(graph: GraphBuilder, values: str) -> str:
    """The same from the other end (ArgMax has an attribute for it, but no CUDA kernel with it)."""
    minus_one, far = graph.constant([-1]), graph.constant([-(2**62)])
    backwards = graph.add("Slice", values, minus_one, far, graph.constant([1]), minus_one)
    end = graph.add("Shape", values, start=1, end=2)
    return graph.add("Sub", graph.add("Add", end, minus_one), _first_positive(graph, backwards))
