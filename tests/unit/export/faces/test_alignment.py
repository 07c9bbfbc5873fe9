import numpy as np
import onnxruntime
import pytest

from export.faces.alignment import RIGID_POINTS, align, reference_face
from export.faces.onnx_graph import BATCH, PRODUCER, face_graph
from export.graph.builder import FLOAT

POINTS = 478


def random_rotation(generator: np.random.Generator) -> np.ndarray:
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    return rotation * np.sign(np.linalg.det(rotation))


def face_like(generator: np.random.Generator) -> np.ndarray:
    """Points spread as in a face: wide, high, flat."""
    return generator.normal(size=(POINTS, 3)) * np.array([1.0, 1.2, 0.4])


def aligned(landmarks: np.ndarray, reference: np.ndarray) -> np.ndarray:
    writer = face_graph("alignment")
    value = align(writer, writer.input("landmarks", FLOAT, [BATCH, POINTS, 3]), reference)
    writer.output("aligned", value, FLOAT, [BATCH, POINTS, 3])
    session = onnxruntime.InferenceSession(
        writer.model(PRODUCER, {}).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"landmarks": landmarks.astype(np.float32)})[0]


def by_singular_values(shape: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Umeyama's closed form, in float64."""
    rigid = list(RIGID_POINTS)
    source = shape[rigid] - shape[rigid].mean(0)
    target = reference[rigid] - reference[rigid].mean(0)
    u, d, vt = np.linalg.svd(target.T @ source)
    signs = np.array([1, 1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(signs) @ vt
    scale = (d * signs).sum() / (source**2).sum()
    return (shape - shape[rigid].mean(0)) @ rotation.T * scale


def test_the_graph_agrees_with_singular_values() -> None:
    generator = np.random.default_rng(0)
    reference = face_like(generator)
    shapes = np.stack(
        [
            (reference + generator.normal(size=reference.shape) * 0.1) @ random_rotation(generator) * 90 + 300
            for _ in range(20)
        ]
    )
    expected = np.stack([by_singular_values(shape, reference) for shape in shapes])
    np.testing.assert_allclose(aligned(shapes, reference), expected, atol=1e-4)


def test_place_size_and_rotation_do_not_matter() -> None:
    generator = np.random.default_rng(1)
    reference = face_like(generator)
    shape = reference + generator.normal(size=reference.shape) * 0.1
    moved = np.stack([shape, shape @ random_rotation(generator) * 250 + [640, 360, -20]])
    still, turned = aligned(moved, reference)
    np.testing.assert_allclose(turned, still, atol=2e-4)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    generator = np.random.default_rng(2)
    reference = face_like(generator)
    mirrored = reference * np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(
        aligned(mirrored[None], reference)[0], by_singular_values(mirrored, reference), atol=1e-3
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_reference_face_is_normalised(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shape = face_like(generator)
    faces = np.stack([shape @ random_rotation(generator) * generator.uniform(50, 200) for _ in range(8)])
    reference = reference_face(faces)
    assert np.linalg.norm(reference[33] - reference[263]) == pytest.approx(1)
    np.testing.assert_allclose(reference[list(RIGID_POINTS)].mean(0), 0, atol=1e-12)
    # Copies of one shape average to that shape.
    unit = shape / np.linalg.norm(shape[33] - shape[263])
    np.testing.assert_allclose(
        np.linalg.norm(reference[10] - reference[200]), np.linalg.norm(unit[10] - unit[200]), rtol=1e-6
    )
