"""Turning, scaling and moving a face mesh onto a reference face, inside an ONNX graph and, for the reference,
in numpy.

The best similarity between two sets of points in the sense of least squares. ONNX has no singular value
decomposition, so the graph uses the equivalent quaternion form (Horn 1987, 'Closed-form solution of absolute
orientation using unit quaternions'): the rotation is the dominant eigenvector of a symmetric 4 × 4 matrix,
here found by squaring that matrix until only the dominant direction is left.
"""

import numpy as np
from numpy.typing import NDArray

from export.faces.constants import EYE_OUTER_CORNERS
from export.graph.builder import GraphBuilder

# Points that expressions move least: nose bridge, forehead, temples, sides of the face, corners of the eyes.
RIGID_POINTS = (168, 6, 197, 195, 127, 356, 10, 151, 9, 234, 454, 162, 389, 33, 263, 133, 362)

# Each squaring squares the ratio of the second eigenvalue to the first; it is about 0.8 for a face,
# 0.8^(2^10) ≈ 0.
SQUARINGS = 10


def reference_face(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean shape of meshes [faces, points, 3], two rounds of Procrustes; float64 [points, 3].

    The centre of the rigid points is the origin, the distance of the eyes' outer corners is 1.
    """
    left, right = EYE_OUTER_CORNERS
    shapes = landmarks.astype(np.float64)
    shapes = shapes - shapes[:, RIGID_POINTS].mean(1, keepdims=True)
    shapes /= np.linalg.norm(shapes[:, left] - shapes[:, right], axis=1)[:, None, None]
    reference = shapes.mean(0)
    for _ in range(2):
        reference = np.mean([_onto(shape, reference) for shape in shapes], axis=0)
    reference = reference - reference[list(RIGID_POINTS)].mean(0)
    normalised: NDArray[np.float64] = reference / np.linalg.norm(reference[left] - reference[right])
    return normalised


def _onto(shape: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """``shape`` [points, 3], centred on its rigid points, after the best similarity to ``reference``."""
    source, target = shape[list(RIGID_POINTS)], reference[list(RIGID_POINTS)]
    target = target - target.mean(0)
    left, spread, right = np.linalg.svd(source.T @ target)
    spread = spread * np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * np.sign(spread)) @ right
    aligned: NDArray[np.float64] = shape @ rotation * (spread.sum() / (source**2).sum())
    return aligned


def align(writer: GraphBuilder, landmarks: str, reference: NDArray[np.float64]) -> str:
    """Value [batch, points, 3]: ``landmarks`` of that shape after the best similarity to ``reference``
    [points, 3].

    Place, size and rotation of the input do not matter; the unit of the result is that of ``reference``.
    """
    target = reference[list(RIGID_POINTS)]
    target = target - target.mean(0)
    target_norm = float(np.linalg.norm(target))

    rigid = writer.add("Gather", landmarks, writer.integers(RIGID_POINTS), axis=1)
    centre = writer.add("ReduceMean", rigid, axes=[1], keepdims=1)
    source = writer.add("Sub", rigid, centre)
    squares = writer.add("Mul", source, source)
    source_norm = writer.add("Sqrt", writer.add("ReduceSum", squares, writer.integers([1, 2]), keepdims=1))
    unit = writer.add("Div", source, source_norm)
    correlation = writer.add(
        "MatMul", writer.add("Transpose", unit, perm=[0, 2, 1]), writer.floats(target / target_norm)
    )
    rotation = _rotation(writer, correlation)
    overlap = writer.add("Mul", rotation, correlation)
    scale = writer.add("ReduceSum", overlap, writer.integers([1, 2]), keepdims=1)
    scale = writer.add("Div", writer.add("Mul", scale, writer.floats(target_norm)), source_norm)
    turned = writer.add("MatMul", writer.add("Sub", landmarks, centre), rotation)
    return writer.add("Mul", turned, scale)


def _rotation(writer: GraphBuilder, correlation: str) -> str:
    """Rotation [batch, 3, 3], applied to rows from the right, that maximises its product with
    ``correlation``.
    """
    flat = writer.add("Reshape", correlation, writer.integers([0, 9]))
    square = writer.integers([0, 4, 4])
    symmetric = writer.add("Reshape", writer.add("MatMul", flat, writer.floats(_horn_matrix())), square)
    # Both point sets have norm 1, so no eigenvalue is below −1 and the sum has none below 0.
    power = writer.add("Add", symmetric, writer.floats(np.eye(4)))
    for _ in range(SQUARINGS):
        product = writer.add("MatMul", power, power)
        diagonal = writer.add("Mul", product, writer.floats(np.eye(4)))
        trace = writer.add("ReduceSum", diagonal, writer.integers([1, 2]), keepdims=1)
        power = writer.add("Div", product, trace)
    # Now the outer product of the unit quaternion with itself, in which the rotation is linear.
    quaternions = writer.add("Reshape", power, writer.integers([0, 16]))
    rotation = writer.add("MatMul", quaternions, writer.floats(_rotation_matrix()))
    return writer.add("Reshape", rotation, writer.integers([0, 3, 3]))


def _horn_matrix() -> NDArray[np.float64]:
    """Linear map [9, 16] from the correlation matrix, row by row, to Horn's symmetric matrix, row by row."""
    xx, xy, xz, yx, yy, yz, zx, zy, zz = np.eye(9)
    rows = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, -xx + yy - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, -xx - yy + zz],
    ]
    return np.stack([entry for row in rows for entry in row], axis=1)


def _rotation_matrix() -> NDArray[np.float64]:
    """Linear map [16, 9] from the products of a quaternion's parts to the rotation of row vectors, row by
    row.
    """
    ww, wx, wy, wz, _, xx, xy, xz, _, _, yy, yz, _, _, _, zz = np.eye(16)
    columns = [
        [ww + xx - yy - zz, 2 * (xy - wz), 2 * (xz + wy)],
        [2 * (xy + wz), ww - xx + yy - zz, 2 * (yz - wx)],
        [2 * (xz - wy), 2 * (yz + wx), ww - xx - yy + zz],
    ]
    return np.stack([columns[column][row] for row in range(3) for column in range(3)], axis=1)
