"""The action-unit stage as ONNX graphs: features of a face, the trained head, and the rule without training.

All arithmetic is inside, so that training and serving cannot differ: the service takes the features of every
frame, subtracts the person's neutral (such as the median over the recording) and runs the head.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from export.faces.alignment import align
from export.faces.constants import BLENDSHAPES
from export.faces.onnx_graph import BATCH, GraphWriter

# The 17 action units whose intensity OpenFace estimates, in its order.
ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
LABELS = tuple(f"AU{unit:02d}" for unit in ACTION_UNITS)
MAX_INTENSITY = 5.0
BLENDSHAPE_CLIP = 1e-3  # coefficients are clipped to 0.001…0.999 before the logit


def features_graph(reference: NDArray[np.float64], with_blendshapes: bool) -> onnx.ModelProto:
    """Features of a face, before the person's neutral is subtracted.

    Inputs: ``landmarks`` [batch, points, 3] in pixels of the frame, z on the same scale as x; and,
    ``with_blendshapes``, ``blendshapes`` [batch, 52]. Output ``features`` [batch, 3 · points (+ 51)]: the
    mesh aligned to ``reference`` [points, 3], then the logits of all blendshapes but the first ('_neutral').
    """
    points = len(reference)
    writer = GraphWriter()
    landmarks = writer.input("landmarks", [BATCH, points, 3])
    aligned = align(writer, landmarks, reference)
    features = writer.node("Reshape", aligned, writer.integers([0, 3 * points]))
    width = 3 * points
    if with_blendshapes:
        blendshapes = writer.input("blendshapes", [BATCH, len(BLENDSHAPES)])
        features = writer.node("Concat", features, _logits(writer, blendshapes), axis=1)
        width += len(BLENDSHAPES) - 1
    writer.output("features", features, [BATCH, width])
    return writer.model("action_unit_features", "aligned face mesh and blendshape logits", {})


def _logits(writer: GraphWriter, blendshapes: str) -> str:
    begin, end, axis = writer.integers([1]), writer.integers([len(BLENDSHAPES)]), writer.integers([1])
    used = writer.node("Slice", blendshapes, begin, end, axis)
    bounded = writer.node("Clip", used, writer.floats(BLENDSHAPE_CLIP), writer.floats(1 - BLENDSHAPE_CLIP))
    odds = writer.node("Div", bounded, writer.node("Sub", writer.floats(1), bounded))
    return writer.node("Log", odds)


def head_graph(weights: NDArray[np.float64], bias: NDArray[np.float64]) -> onnx.ModelProto:
    """Linear head: ``features`` [batch, dim] → ``action_units`` [batch, 17] in 0…5, and ``linear`` [batch, 17],
    the same before they are limited: a constant can be subtracted from the features afterwards.

    Args:
        weights: float [dim, 17].
        bias: float [17].
    """
    writer = GraphWriter()
    features = writer.input("features", [BATCH, len(weights)])
    linear = writer.node("Gemm", features, writer.floats(weights), writer.floats(bias))
    bounded = writer.node("Clip", linear, writer.floats(0), writer.floats(MAX_INTENSITY))
    writer.output("action_units", bounded, [BATCH, len(ACTION_UNITS)])
    writer.output("linear", linear, [BATCH, len(ACTION_UNITS)])
    return writer.model("action_unit_head", "linear action-unit head", {})


def rule_graph() -> onnx.ModelProto:
    """Action units straight from ``blendshapes`` [batch, 52] → ``action_units`` [batch, 17] in 0…5; nothing
    trained.

    The pairs follow published tables of ARKit shapes and FACS (melindaozel.com, 'ARKit to FACS cheat sheet').
    The product in AU06 and the discount of blinks in AU07 are this project's own.
    """
    writer = GraphWriter()
    blendshapes = writer.input("blendshapes", [BATCH, len(BLENDSHAPES)])
    units = _rules(writer, blendshapes)
    stacked = writer.node("Concat", *(units[unit] for unit in ACTION_UNITS), axis=1)
    bounded = writer.node("Clip", stacked, writer.floats(0), writer.floats(1))
    scaled = writer.node("Mul", bounded, writer.floats(MAX_INTENSITY))
    writer.output("action_units", scaled, [BATCH, len(ACTION_UNITS)])
    return writer.model("action_unit_rule", "action units from blendshapes by rule", {})


def _rules(writer: GraphWriter, blendshapes: str) -> dict[int, str]:
    """Value [batch, 1] in about 0…1 of every action unit."""

    def mean(*names: str) -> str:
        columns = writer.integers([BLENDSHAPES.index(name) for name in names])
        chosen = writer.node("Gather", blendshapes, columns, axis=1)
        return writer.node("ReduceMean", chosen, axes=[1], keepdims=1)

    def both(name: str) -> str:
        return mean(f"{name}Left", f"{name}Right")

    smile, squint, blink, jaw_open = both("mouthSmile"), both("eyeSquint"), both("eyeBlink"), mean("jawOpen")
    smiling_eyes = writer.node("Sqrt", writer.node("Relu", writer.node("Mul", smile, squint)))
    open_eye = writer.node("Sub", writer.floats(1), writer.node("Mul", blink, writer.floats(0.5)))
    lips_apart = writer.node("Max", jaw_open, both("mouthLowerDown"), both("mouthUpperUp"))
    return {
        1: mean("browInnerUp"),
        2: both("browOuterUp"),
        4: both("browDown"),
        5: both("eyeWide"),
        6: writer.node("Max", both("cheekSquint"), smiling_eyes),
        7: writer.node("Mul", squint, open_eye),
        9: both("noseSneer"),
        10: both("mouthUpperUp"),
        12: smile,
        14: both("mouthDimple"),
        15: both("mouthFrown"),
        17: mean("mouthShrugLower"),
        20: both("mouthStretch"),
        23: writer.node("Max", both("mouthPress"), mean("mouthRollLower", "mouthRollUpper")),
        25: writer.node("Sub", lips_apart, mean("mouthClose")),
        26: jaw_open,
        45: blink,
    }
