"""Beginning and end of a clip, as ONNX nodes."""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from export.graph.builder import FLOAT, GraphBuilder

USUAL_BLOCK_SAMPLES = 256
"""Samples that are looked through at once for the first and the last that is not zero."""
SIXTEEN_BIT = 32768.0


def write_counter(graph: GraphBuilder, count: str) -> str:
    """0 … count − 1, int64 [count], from an int64 [1]."""
    zero, one = graph.constant(np.array(0)), graph.constant(np.array(1))
    return graph.add("Range", zero, graph.add("Squeeze", count), one)


def write_padded(
    graph: GraphBuilder, waveform: str, lengths: str, before: int, behind: int, multiple: int, silenced: int
) -> str:
    """Put zeros around a batch and right behind each clip.

    Args:
        before, behind: zeros, int.
        multiple: ``behind`` counts from the last multiple of so many samples; not more than ``behind``.
        silenced: samples behind each clip that are zeroed, fewer at the end.

    Returns:
        float32 [batch, n].
    """
    samples = graph.add("Shape", waveform, start=1, end=2)
    left = graph.add("Sub", graph.constant([behind]), graph.add("Mod", samples, graph.constant([multiple])))
    padded = graph.add("Pad", waveform, graph.add("Concat", graph.constant([0, before, 0]), left, axis=0))
    # Not taken from the shape of what is padded: the zeros are written into that only where nothing else reads it.
    last = graph.add("Add", graph.add("Add", samples, left), graph.constant([before - 1]))
    behind_clips = graph.add(
        "Add", graph.add("Unsqueeze", lengths, graph.constant([1])), graph.constant(before + np.arange(silenced))
    )
    places = graph.add("Min", behind_clips, last)
    zeros = graph.add("ConstantOfShape", graph.add("Shape", places))
    silenced_signal = graph.add("ScatterElements", padded, places, zeros, axis=1)
    graph.same_shape((padded, silenced_signal), FLOAT, ("clips", "padded_samples"))
    return silenced_signal


def write_sixteen_bit(graph: GraphBuilder, waveform: str) -> str:
    """Round to the steps of 16-bit wav files, in those steps.

    A plot without a floor shows a decoder's or a resampler's residue of 1e-30 as if it were sound; a file has none.
    """
    return graph.add("Round", graph.add("Mul", waveform, graph.constant(SIXTEEN_BIT)))


@dataclass(frozen=True)
class Trimmed:
    """Names of clips without the zero samples at their ends.

    Attributes:
        signal: float32 [batch, n]; n is a multiple of the hop and more than there are samples.
        first: int64 [batch, 1], the first sample that is not zero.
        lengths: int64 [batch], from there to the last one; what lies behind is zero for a frame, then anything. A clip
            of zeros keeps its length.
    """

    signal: str
    first: str
    lengths: str


def write_trimmed(graph: GraphBuilder, waveform: str, lengths: str, fft_samples: int, hop_samples: int) -> Trimmed:
    """Find the zero samples at both ends of each clip (D2)."""
    block_samples = hop_samples * max(1, USUAL_BLOCK_SAMPLES // hop_samples)
    one, two, block = graph.constant([1]), graph.constant([2]), graph.constant([block_samples])
    signal = write_padded(
        graph, waveform, lengths, 0, block_samples, block_samples, silenced=max(block_samples, fft_samples)
    )
    ends = graph.add("Unsqueeze", lengths, one)
    magnitude = graph.add("Abs", graph.add("Reshape", signal, graph.constant([0, -1, block_samples])))
    loudest = graph.add("ReduceMax", magnitude, two, keepdims=0)
    # Blocks that begin behind a clip are none of its own.
    starts = graph.add("Mul", write_counter(graph, graph.add("Shape", loudest, start=1)), block)
    loudest = graph.add("Where", graph.add("Less", starts, ends), loudest, graph.constant(0.0))
    places = []
    for place_of in (_first_positive, _last_positive):
        number = place_of(graph, loudest)
        offset = place_of(graph, graph.add("GatherND", magnitude, number, batch_dims=1))
        places.append(graph.add("Add", graph.add("Mul", number, block), offset))
    first, last_place = places
    length = graph.add("Add", graph.add("Sub", last_place, first), one)
    return Trimmed(signal, first, graph.add("Min", graph.add("Squeeze", length, one), lengths))


def write_moved(graph: GraphBuilder, trimmed: Trimmed, row_samples: int) -> str:
    """Clips from their first sample that is not zero: float32 [batch, row_samples, n / row_samples], a column a row.

    ``row_samples`` divides the n samples of a signal.
    """
    end = graph.add("Cast", graph.add("Shape", trimmed.signal, start=1, end=2), to=TensorProto.INT32)
    zero, step = (graph.constant(np.array(value, dtype=np.int32)) for value in (0, row_samples))
    # Places are counted from the end, so that those beyond it are the zeros in front of the clip.
    starts = graph.add("Range", graph.add("Neg", graph.add("Squeeze", end)), zero, step)
    first = graph.add("Unsqueeze", graph.add("Cast", trimmed.first, to=TensorProto.INT32), graph.constant([1]))
    offsets = graph.constant(np.arange(row_samples, dtype=np.int32)[:, None])
    places = graph.add("Add", graph.add("Add", starts, first), offsets)
    moved = graph.add("GatherElements", trimmed.signal, graph.add("Reshape", places, graph.constant([0, -1])), axis=1)
    return graph.add("Reshape", moved, graph.constant([0, row_samples, -1]))


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
