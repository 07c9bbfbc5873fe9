"""Measures of a face that a pose changes little: heights, lengths and ratios between points of the aligned mesh.

Heights count downwards in the aligned face, whose eyes' outer corners lie 1 apart. Few points are averaged for each,
on both sides of the face, so one badly placed point says little. Indices are those of the publisher's mesh and lie
below 468: both meshes have them.
"""

import numpy as np
from numpy.typing import NDArray

from export.graph.builder import GraphBuilder

EYE_CORNERS = (33, 133, 362, 263)
UPPER_LIDS, LOWER_LIDS = (160, 159, 158, 387, 386, 385), (144, 145, 153, 373, 374, 380)
MOUTH_CORNERS = (61, 291)
SUBNASAL = (2,)
SMALLEST_RATIO = 0.02
"""Least opening of the lids, in widths of the eye, that the logarithm tells apart."""

DIFFERENCES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    "brow_inner": (EYE_CORNERS, (107, 55, 336, 285), 1),
    "brow_middle": (EYE_CORNERS, (105, 52, 334, 282), 1),
    "brow_outer": (EYE_CORNERS, (70, 46, 63, 53, 300, 276, 293, 283), 1),
    "brow_slope": ((70, 46, 63, 53, 300, 276, 293, 283), (107, 55, 336, 285), 1),
    "upper_lid": (EYE_CORNERS, UPPER_LIDS, 1),
    "lower_lid": (EYE_CORNERS, LOWER_LIDS, 1),
    "cheek": ((117, 346, 118, 347, 101, 330), EYE_CORNERS, 1),
    "nose_wing": ((98, 327, 64, 294), (133, 362), 1),
    "upper_lip": ((0,), SUBNASAL, 1),
    "lower_lip": ((17, 84, 314), SUBNASAL, 1),
    "lips": ((17,), (0,), 1),
    "jaw": ((152,), SUBNASAL, 1),
    "corners_raised": ((13, 14), MOUTH_CORNERS, 1),
    "corners": (MOUTH_CORNERS, SUBNASAL, 1),
    "corners_back": (MOUTH_CORNERS, (0, 17), 2),
}
"""Mean of the first points minus mean of the second, along the axis: 1 is height, 2 depth."""

LENGTHS: dict[str, tuple[tuple[int, int], ...]] = {
    "lid_opening": tuple(zip(UPPER_LIDS, LOWER_LIDS, strict=True)),
    "eye_width": ((33, 133), (263, 362)),
    "mouth_width": (MOUTH_CORNERS,),
    "lip_gap": ((13, 14), (82, 87), (312, 317)),
    "lip_thickness": ((0, 13), (14, 17)),
}
"""Mean distance between two points."""

RATIOS: dict[str, tuple[str, str]] = {
    "lid_ratio": ("lid_opening", "eye_width"),
    "lower_lip_ratio": ("lower_lip", "mouth_width"),
    "thickness_ratio": ("lip_thickness", "mouth_width"),
}
"""Quotients of the measures above. The lids' is given as its logarithm: a blink is many times a glance down."""

MEASURES = (*DIFFERENCES, *LENGTHS, *RATIOS)
"""Names of the measures, in the order of the graph's columns."""


def write_measures(writer: GraphBuilder, aligned: str, points: int) -> str:
    """Value [batch, measures] of the aligned mesh ``aligned`` [batch, points, 3]."""
    flat = writer.add("Reshape", aligned, writer.integers([0, 3 * points]))
    differences = writer.add("MatMul", flat, writer.floats(_difference_weights(points)))
    pairs = [pair for group in LENGTHS.values() for pair in group]
    ends = [writer.add("Gather", aligned, writer.integers(column), axis=1) for column in zip(*pairs, strict=True)]
    apart = writer.add("Sub", *ends)
    squares = writer.add("ReduceSum", writer.add("Mul", apart, apart), writer.integers([2]), keepdims=0)
    lengths = writer.add("MatMul", writer.add("Sqrt", squares), writer.floats(_length_weights()))
    simple = writer.add("Concat", differences, lengths, axis=1)
    names = (*DIFFERENCES, *LENGTHS)
    parts = [
        writer.add("Gather", simple, writer.integers([names.index(pair[part]) for pair in RATIOS.values()]), axis=1)
        for part in (0, 1)
    ]
    ratios = writer.add("Div", *parts)
    begin, end, axis = (writer.integers([value]) for value in (0, 1, 1))
    opening = writer.add("Slice", ratios, begin, end, axis)
    opening = writer.add("Log", writer.add("Max", opening, writer.floats(SMALLEST_RATIO)))
    others = writer.add("Slice", ratios, end, writer.integers([len(RATIOS)]), axis)
    return writer.add("Concat", simple, opening, others, axis=1)


def _difference_weights(points: int) -> NDArray[np.float64]:
    weights = np.zeros((points, 3, len(DIFFERENCES)))
    for column, (first, second, axis) in enumerate(DIFFERENCES.values()):
        weights[list(first), axis, column] += 1 / len(first)
        weights[list(second), axis, column] -= 1 / len(second)
    return weights.reshape(3 * points, -1)


def _length_weights() -> NDArray[np.float64]:
    sizes = [len(group) for group in LENGTHS.values()]
    return np.repeat(np.diag(1 / np.array(sizes)), sizes, axis=0)
