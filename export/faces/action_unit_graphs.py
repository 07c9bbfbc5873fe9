"""The action-unit stage as one ONNX graph, from the points of a face to 17 units.

All arithmetic is inside, so that training and serving cannot differ. The graph gives each unit twice: relative, from
which the service subtracts the person's resting level, and absolute, for a face of which no rest is known.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from export.faces.alignment import align
from export.faces.constants import BLENDSHAPES
from export.faces.measures import MEASURES, write_measures
from export.faces.onnx_graph import BATCH, PRODUCER, face_graph
from export.graph.builder import FLOAT, GraphBuilder

# The 17 action units whose intensity OpenFace estimates, in its order.
ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
LABELS = tuple(f"AU{unit:02d}" for unit in ACTION_UNITS)
BLENDSHAPE_CLIP = 1e-3  # coefficients are clipped to 0.001…0.999 before the logit
SHAPES = BLENDSHAPES[1:]
"""Blendshapes that are features: all but '_neutral'."""


@dataclass(frozen=True)
class Linear:
    """A linear map.

    Attributes:
        weights: float64 [columns, outputs].
        bias: float64 [outputs].
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


def features_width(points: int, with_blendshapes: bool) -> int:
    """Number of features: the mesh of ``points`` points, the measures, and with blendshapes these and their logits."""
    return 3 * points + len(MEASURES) + (2 * len(SHAPES) if with_blendshapes else 0)


def features_graph(reference: NDArray[np.float64], with_blendshapes: bool) -> onnx.ModelProto:
    """Features of a face, for training.

    Inputs: ``landmarks`` [batch, points, 3] in pixels of the frame, z on the same scale as x; and,
    ``with_blendshapes``, ``blendshapes`` [batch, 52]. Output ``features`` [batch, width]: the mesh aligned to
    ``reference`` [points, 3], the measures, the blendshapes but '_neutral', and their logits.
    """
    writer = face_graph("action_unit_features")
    features = _features(writer, reference, with_blendshapes)
    writer.output("features", features, FLOAT, [BATCH, features_width(len(reference), with_blendshapes)])
    return writer.model(PRODUCER, {}, "aligned face mesh, measures and blendshapes")


def units_graph(
    reference: NDArray[np.float64], with_blendshapes: bool, relative: Linear, absolute: Linear
) -> onnx.ModelProto:
    """The whole stage.

    Inputs as those of :func:`features_graph`. Outputs ``relative`` and ``absolute`` [batch, 17], not limited to 0…5.
    """
    writer = face_graph("action_units")
    features = _features(writer, reference, with_blendshapes)
    for name, linear in (("relative", relative), ("absolute", absolute)):
        units = writer.add("Gemm", features, writer.floats(linear.weights), writer.floats(linear.bias))
        writer.output(name, units, FLOAT, [BATCH, len(ACTION_UNITS)])
    return writer.model(PRODUCER, {}, "action units of a face mesh")


def _features(writer: GraphBuilder, reference: NDArray[np.float64], with_blendshapes: bool) -> str:
    points = len(reference)
    landmarks = writer.input("landmarks", FLOAT, [BATCH, points, 3])
    aligned = align(writer, landmarks, reference)
    parts = [
        writer.add("Reshape", aligned, writer.integers([0, 3 * points])),
        write_measures(writer, aligned, points),
    ]
    if with_blendshapes:
        blendshapes = writer.input("blendshapes", FLOAT, [BATCH, len(BLENDSHAPES)])
        begin, end, axis = writer.integers([1]), writer.integers([len(BLENDSHAPES)]), writer.integers([1])
        used = writer.add("Slice", blendshapes, begin, end, axis)
        parts += [used, _logits(writer, used)]
    return writer.add("Concat", *parts, axis=1)


def _logits(writer: GraphBuilder, shapes: str) -> str:
    bounded = writer.add("Clip", shapes, writer.floats(BLENDSHAPE_CLIP), writer.floats(1 - BLENDSHAPE_CLIP))
    odds = writer.add("Div", bounded, writer.add("Sub", writer.floats(1), bounded))
    return writer.add("Log", odds)
