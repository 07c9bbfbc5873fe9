"""The bag of audio words (D8) as an ONNX graph: waveform and lengths in, ``embedding`` [batch, codewords] out.

Pre-emphasis, window and Fourier transform are one convolution. The frames meet the codebook in a loop over chunks,
so memory stays the same however long the recording is; counting is a scatter with addition, which is exact.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from export.audio_words.codebook import Codebook
from export.audio_words.descriptors import (
    FRAME_SAMPLES,
    HOP_SAMPLES,
    POWER_FLOOR,
    cepstral_matrix,
    mel_bank,
    spectrum_kernels,
)
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.front_end_graph import declare_speech_inputs, time_mask

CHUNK_FRAMES = 256
"""Frames compared with the codebook at once: 5 MB a clip for 5 000 codewords."""


def audio_words_model(
    codebook: Codebook, assignments: int, metadata: dict[str, str], logarithm: bool = False
) -> onnx.ModelProto:
    """Write the graph.

    Args:
        assignments: codewords that each frame counts for.
        logarithm: see :mod:`export.audio_words.codebook`.
        metadata: strings kept inside the file, such as author and licence.

    Raises:
        ValueError: more assignments than codewords.
    """
    size = len(codebook.words)
    if not 1 <= assignments <= size:
        raise ValueError(f"{assignments} assignments do not fit {size} codewords")
    graph = GraphBuilder("audio-words")
    waveform, lengths = declare_speech_inputs(graph)
    descriptors, frames = _descriptors(graph, waveform, lengths)
    centred = graph.add("Sub", descriptors, graph.constant(codebook.mean.astype(np.float32)))
    scaled = graph.add("Mul", centred, graph.constant(codebook.scale.astype(np.float32)))
    counts = _count(graph, codebook, scaled, frames, assignments)
    divisor = graph.add("Mul", graph.add("Max", frames, graph.constant([1])), graph.constant([assignments]))
    divisor = graph.add("Unsqueeze", graph.add("Cast", divisor, to=FLOAT), graph.constant([1]))
    bag = graph.add("Div", counts, divisor)
    if logarithm:
        even = graph.add("Mul", bag, graph.constant(float(size)))
        bag = graph.add("Log", graph.add("Add", even, graph.constant(1.0)))
    graph.output("embedding", bag, FLOAT, ["batch", size])
    return graph.model("emoserve-export", metadata)


def _descriptors(graph: GraphBuilder, waveform: str, lengths: str) -> tuple[str, str]:
    """Descriptors float32 [batch, frames, 13] and the number of frames inside each clip, int64 [batch]."""
    inside = graph.add("Cast", time_mask(graph, waveform, lengths, axis=1), to=FLOAT)
    clips = graph.add("Unsqueeze", graph.add("Mul", waveform, inside), graph.constant([1]))
    # One sample ahead for pre-emphasis; at the end enough for one frame, which counts only where it is inside.
    padded = graph.add("Pad", clips, graph.constant([0, 0, 1, 0, 0, FRAME_SAMPLES]))
    kernels = graph.constant(spectrum_kernels()[:, None, :].astype(np.float32), "spectrum_kernels")
    real, imaginary = graph.split(graph.add("Conv", padded, kernels, strides=[HOP_SAMPLES]), 2, axis=1)
    power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    bands = graph.add("MatMul", graph.constant(mel_bank().astype(np.float32)), power)
    floor = graph.constant(POWER_FLOOR)
    logarithm = graph.add("Log", graph.add("Max", bands, floor))
    cepstra = graph.add("MatMul", graph.constant(cepstral_matrix().astype(np.float32)), logarithm)
    ones = np.ones((1, 1, FRAME_SAMPLES + 1), dtype=np.float32)
    ones[0, 0, 0] = 0.0
    energy = graph.add("Conv", graph.add("Mul", padded, padded), graph.constant(ones), strides=[HOP_SAMPLES])
    energy = graph.add("Log", graph.add("Max", energy, floor))
    together = graph.add("Transpose", graph.add("Concat", cepstra, energy, axis=1), perm=[0, 2, 1])
    fitting = graph.add("Sub", lengths, graph.constant([FRAME_SAMPLES - HOP_SAMPLES]))
    frames = graph.add("Div", graph.add("Max", fitting, graph.constant([0])), graph.constant([HOP_SAMPLES]))
    return together, frames


def _count(graph: GraphBuilder, codebook: Codebook, scaled: str, frames: str, assignments: int) -> str:
    """How often each codeword is among the nearest of a frame, float32 [batch, codewords]."""
    names = {
        "all": scaled,
        "frames": graph.add("Unsqueeze", frames, graph.constant([1])),
        "words": graph.constant((-2.0 * codebook.words.T).astype(np.float32), "codebook"),
        "norms": graph.constant(np.square(codebook.words).sum(axis=1).astype(np.float32), "codeword_norms"),
        "nearest": graph.constant([assignments]),
        "chunk": graph.constant([CHUNK_FRAMES]),
        "axis": graph.constant([1]),
        "flat": graph.constant([0, -1]),
        "zero": graph.constant(np.array(0, dtype=np.int64)),
        "one": graph.constant(np.array(1, dtype=np.int64)),
        "spread": graph.constant([1, 1, assignments]),
        "third": graph.constant([2]),
    }
    batch = graph.add("Shape", scaled, start=0, end=1)
    shape = graph.add("Concat", batch, graph.constant([len(codebook.words)]), axis=0)
    zeros = graph.add("Expand", graph.constant(0.0), shape)
    steps = graph.add("Squeeze", graph.add("Shape", scaled, start=1, end=2))
    last = graph.add("Add", steps, graph.constant(np.array(CHUNK_FRAMES - 1, dtype=np.int64)))
    rounds = graph.add("Div", last, graph.constant(np.array(CHUNK_FRAMES, dtype=np.int64)))
    go_on = graph.constant(np.array(True))
    return graph.add("Loop", rounds, go_on, zeros, body=_chunk_body(names))


def _chunk_body(names: dict[str, str]) -> onnx.GraphProto:
    """The loop's body: count one chunk of frames. ``names`` are values of the graph around it."""

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:  # noqa: ANN401 - as ONNX takes them
        return helper.make_node(operator, inputs, [output], **attributes)

    nodes = [
        node("Reshape", ["round", "round_shape"], "round_1"),
        node("Mul", ["round_1", names["chunk"]], "first"),
        node("Add", ["first", names["chunk"]], "end"),
        node("Slice", [names["all"], "first", "end", names["axis"]], "part"),
        node("MatMul", ["part", names["words"]], "products"),
        node("Add", ["products", names["norms"]], "distances"),
        helper.make_node("TopK", ["distances", names["nearest"]], ["nearest_distances", "indices"], axis=2, largest=0),
        node("Reshape", ["indices", names["flat"]], "places"),
        node("Shape", ["part"], "width", start=1, end=2),
        node("Squeeze", ["width"], "width_0"),
        node("Range", [names["zero"], "width_0", names["one"]], "counter"),
        node("Add", ["counter", "first"], "number"),
        node("Less", ["number", names["frames"]], "is_inside"),
        node("Cast", ["is_inside"], "weight", to=TensorProto.FLOAT),
        node("Unsqueeze", ["weight", names["third"]], "weight_3"),
        node("Tile", ["weight_3", names["spread"]], "weights"),
        node("Reshape", ["weights", names["flat"]], "updates"),
        node("ScatterElements", ["counts", "places", "updates"], "counted", axis=1, reduction="add"),
        node("Identity", ["keep"], "keep_on"),
    ]
    inputs = [
        helper.make_tensor_value_info("round", TensorProto.INT64, []),
        helper.make_tensor_value_info("keep", TensorProto.BOOL, []),
        helper.make_tensor_value_info("counts", TensorProto.FLOAT, None),
    ]
    outputs = [
        helper.make_tensor_value_info("keep_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("counted", TensorProto.FLOAT, None),
    ]
    one = helper.make_tensor("round_shape", TensorProto.INT64, [1], [1])
    return helper.make_graph(nodes, "chunk", inputs, outputs, [one])
