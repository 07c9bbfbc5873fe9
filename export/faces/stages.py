"""The face route's graphs, each with inputs and outputs that need no further arithmetic from whoever serves
them.

Images are float32 [batch, height, width, 3], RGB in 0…1. The batch is free in every graph.
"""

from itertools import pairwise

import numpy as np
import onnx
from numpy.typing import NDArray

from export.faces import constants
from export.faces.convert import translate
from export.faces.onnx_graph import BATCH, PRODUCER, face_graph
from export.faces.tflite import TFLiteError, read_graph
from export.graph.builder import FLOAT, GraphBuilder


def detector_anchors() -> NDArray[np.float32]:
    """Centres (x, y) of the detector's anchors in units of its image, float32 [896, 2], in the network's
    order.
    """
    centres = []
    layout = zip(constants.DETECTOR_STRIDES, constants.DETECTOR_ANCHORS_PER_CELL, strict=True)
    for stride, anchors_per_cell in layout:
        cells = constants.DETECTOR_SIZE_PX // stride
        line = (np.arange(cells) + 0.5) / cells
        rows, columns = np.meshgrid(line, line, indexing="ij")
        centres.append(np.repeat(np.stack([columns.ravel(), rows.ravel()], 1), anchors_per_cell, axis=0))
    return np.concatenate(centres).astype(np.float32)


def detector(data: bytes, metadata: dict[str, str]) -> onnx.ModelProto:
    """Short-range face detector with its anchors applied.

    Input ``image`` [batch, 128, 128, 3]: the frame, letterboxed. Outputs, for each of 896 anchors: ``scores``
    [batch, 896] in 0…1; ``boxes`` [batch, 896, 4] as left, top, right, bottom; ``keypoints`` [batch, 896, 6,
    2] as x, y. Places are in units of the letterboxed image, 0…1 inside it.

    Raises:
        TFLiteError: ``data`` is not the network that was expected.
    """
    graph = read_graph(data)
    anchors = detector_anchors()
    count, size, points = len(anchors), constants.DETECTOR_SIZE_PX, constants.DETECTOR_KEYPOINTS
    shapes = [graph.tensors[tensor].shape for tensor in graph.outputs]
    if shapes != [(1, count, 4 + 2 * points), (1, count, 1)]:
        raise TFLiteError(f"the detector's outputs have the shapes {shapes}")
    writer = face_graph("face_detector")
    image = writer.input("image", FLOAT, [BATCH, size, size, 3])
    centred = writer.add("Sub", writer.add("Mul", image, writer.floats(2)), writer.floats(1))
    regression, logits = translate(graph, writer, [centred])

    clip = constants.DETECTOR_SCORE_CLIP
    clipped = writer.add("Clip", logits, writer.floats(-clip), writer.floats(clip))
    scores = writer.add("Squeeze", writer.add("Sigmoid", clipped), writer.integers([2]))
    # 16 numbers an anchor, in pixels: centre relative to the anchor, size, then the keypoints relative to the
    # anchor.
    offsets = writer.add("Div", regression, writer.floats(size))
    offset, extent, marks = _split(writer, offsets, [2, 2, 2 * points])
    centre = writer.add("Add", offset, writer.floats(anchors))
    half = writer.add("Mul", extent, writer.floats(0.5))
    corners = [writer.add("Sub", centre, half), writer.add("Add", centre, half)]
    pairs = writer.add("Reshape", marks, writer.integers([0, count, points, 2]))
    keypoints = writer.add("Add", pairs, writer.floats(anchors[:, np.newaxis]))
    writer.output("scores", scores, FLOAT, [BATCH, count])
    writer.output("boxes", writer.add("Concat", *corners, axis=2), FLOAT, [BATCH, count, 4])
    writer.output("keypoints", keypoints, FLOAT, [BATCH, count, points, 2])
    return writer.model(PRODUCER, metadata, "short-range face detector")


def _split(writer: GraphBuilder, value: str, widths: list[int]) -> list[str]:
    """Consecutive slices of the last of three axes."""
    edges = np.concatenate([[0], np.cumsum(widths)])
    axis = writer.integers([2])
    return [
        writer.add("Slice", value, writer.integers([begin]), writer.integers([end]), axis)
        for begin, end in pairwise(edges)
    ]


def mesh(data: bytes, size_px: int, points: int, metadata: dict[str, str]) -> onnx.ModelProto:
    """Face mesh.

    Input ``image`` [batch, size_px, size_px, 3]: the face, cropped and upright. Outputs: ``landmarks``
    [batch, points, 3], x to the right, y down, z away from the camera, in pixels of the crop; ``presence``
    [batch], the probability that there is a face in the crop.

    Raises:
        TFLiteError: ``data`` is not the network that was expected.
    """
    graph = read_graph(data)
    shapes = [graph.tensors[tensor].shape for tensor in graph.outputs[:2]]
    if shapes != [(1, 1, 1, 3 * points), (1, 1, 1, 1)]:
        raise TFLiteError(f"the mesh's outputs have the shapes {shapes}")
    writer = face_graph(f"face_mesh_{points}")
    image = writer.input("image", FLOAT, [BATCH, size_px, size_px, 3])
    coordinates, logit, *_ = translate(graph, writer, [image])
    landmarks = writer.add("Reshape", coordinates, writer.integers([0, points, 3]))
    presence = writer.add("Squeeze", writer.add("Sigmoid", logit), writer.integers([1, 2, 3]))
    writer.output("landmarks", landmarks, FLOAT, [BATCH, points, 3])
    writer.output("presence", presence, FLOAT, [BATCH])
    return writer.model(PRODUCER, metadata, f"face mesh of {points} points")


def blendshapes(data: bytes, points: int, metadata: dict[str, str]) -> onnx.ModelProto:
    """52 blendshape coefficients from the mesh; the subset of points is chosen inside.

    Input ``landmarks`` [batch, points, 3] in pixels of the frame (x and y on the same scale; place and size
    of the face do not matter). Output ``blendshapes`` [batch, 52] in 0…1, in the order of
    :data:`constants.BLENDSHAPES`.

    Raises:
        TFLiteError: ``data`` is not the network that was expected.
    """
    graph = read_graph(data)
    subset, names = constants.BLENDSHAPE_POINTS, constants.BLENDSHAPES
    if graph.tensors[graph.inputs[0]].shape != (1, len(subset), 2):
        raise TFLiteError("the blendshape network takes another number of points")
    writer = face_graph("face_blendshapes")
    landmarks = writer.input("landmarks", FLOAT, [BATCH, points, 3])
    chosen = writer.add("Gather", landmarks, writer.integers(subset), axis=1)
    plane = writer.add("Slice", chosen, writer.integers([0]), writer.integers([2]), writer.integers([2]))
    (scores,) = translate(graph, writer, [plane])
    writer.output("blendshapes", scores, FLOAT, [BATCH, len(names)])
    return writer.model(PRODUCER, metadata, "blendshape coefficients of a face mesh")
