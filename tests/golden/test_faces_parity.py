"""The converted face networks and the trained heads against what others published or measured.

Reads the publisher's file and test vectors from ``EMOSERVE_SHARED``, by default ``../shared``.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from export.faces import constants
from export.faces.action_units import train_action_units
from export.faces.bundle import write_face_bundle
from export.faces.evaluate import coded_in, score, side_by_side, unit_reader
from export.faces.sources import WHEEL_REQUIREMENT, FaceSourceError, from_task, from_wheel
from export.faces.stages import detector_anchors
from export.faces.wheel_download import download_wheel
from service.card import Card, read_card
from tests.shared_material import ROOT, shared_file

IMAGE_SIZE_OF_VECTOR = (820, 1024)  # of the publisher's portrait, on which its test vector was computed
Network = Callable[..., dict[str, np.ndarray]]


def network(path: Path) -> Network:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(names, inputs), strict=True))


class Bundle:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card: Card = read_card(folder)
        self.networks = {entry.role: network(folder / name) for name, entry in self.card.files.items()}

    def run(self, role: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        return self.networks[role](**inputs)


@pytest.fixture(scope="module")
def task() -> Path:
    return shared_file("weights/face_landmarker.task")


@pytest.fixture(scope="module")
def faces(task: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle(write_face_bundle(tmp_path_factory.mktemp("faces"), task=task))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EMOSERVE_MEDIAPIPE_WHEEL, else from the package index."""
    if given := os.environ.get("EMOSERVE_MEDIAPIPE_WHEEL"):
        return Path(given)
    try:
        data = download_wheel(WHEEL_REQUIREMENT)
    except OSError as error:
        pytest.skip(f"the wheel {WHEEL_REQUIREMENT} cannot be fetched: {error}")
    path = tmp_path_factory.mktemp("wheel") / "mediapipe.whl"
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def older_faces(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle(write_face_bundle(tmp_path_factory.mktemp("older"), wheel=wheel))


def image_batch(size_px: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((count, size_px, size_px, 3), np.float32)


def crop(picture: Image.Image, centre: np.ndarray, edge: np.ndarray, angle: float, size_px: int) -> np.ndarray:
    """A rotated rectangle as an image [1, size_px, size_px, 3] in 0…1; corners map to corners."""
    cosine, sine = np.cos(angle), np.sin(angle)
    scale = edge / size_px
    a, b, d, e = cosine * scale[0], -sine * scale[1], sine * scale[0], cosine * scale[1]
    corner = centre - np.array([[cosine, -sine], [sine, cosine]]) @ (edge / 2)
    turned = picture.transform(
        (size_px, size_px), Image.Transform.AFFINE, (a, b, corner[0], d, e, corner[1]), Image.Resampling.BILINEAR
    )
    return np.asarray(turned, np.float32)[np.newaxis] / 255


def find_faces(bundle: Bundle, picture: Image.Image) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Box [2, 2] and keypoints [6, 2] in pixels and score of every face, overlapping ones dropped."""
    size = np.array(picture.size, np.float64)
    edge = size.max()
    square = crop(picture, size / 2, np.full(2, edge), 0.0, constants.DETECTOR_SIZE_PX)
    found = bundle.run("detector", image=square)
    scores = found["scores"][0]
    kept: list[tuple[np.ndarray, np.ndarray, float]] = []
    for anchor in np.argsort(-scores):
        if scores[anchor] < bundle.card.settings["detector_min_score"]:
            break
        box, keypoints = (
            values[0, anchor].reshape(-1, 2) * edge - (edge - size) / 2
            for values in (found["boxes"], found["keypoints"])
        )
        middle = box.mean(0)
        if all(np.abs(middle - other.mean(0)).max() > np.ptp(other, axis=0).max() / 2 for other, _, _ in kept):
            kept.append((box, keypoints, float(scores[anchor])))
    return kept


def follow(bundle: Bundle, picture: Image.Image) -> tuple[np.ndarray, float]:
    """Mesh in pixels of the picture and presence of the best face, from the detector's box."""
    box, keypoints, _ = find_faces(bundle, picture)[0]
    settings = bundle.card.settings
    size_px = int(settings["mesh_size_px"])
    eyes = keypoints[1] - keypoints[0]
    angle = float(np.arctan2(eyes[1], eyes[0]))
    edge = np.ptp(box, axis=0) * settings["roi_scale"]
    found = bundle.run("mesh", image=crop(picture, box.mean(0), edge, angle, size_px))
    relative = found["landmarks"][0, :, :2] / size_px - 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flat = (relative * edge) @ turn.T + box.mean(0)
    depth = found["landmarks"][0, :, 2:] / size_px * edge[0]
    return np.concatenate([flat, depth], 1).astype(np.float32), float(found["presence"][0])


def numbers(path: Path, name: str) -> np.ndarray:
    return np.array([float(value) for value in re.findall(rf"\b{name}: (\S+)", path.read_text())])


def test_the_publishers_blendshape_vector(faces: Bundle) -> None:
    points = shared_file("media/face_blendshapes_in_landmarks.prototxt")
    expected = shared_file("media/face_blendshapes_out.prototxt")
    labels = re.findall(r'label: "(\w+)"', expected.read_text())
    landmarks = np.stack([numbers(points, axis) for axis in "xyz"], 1)
    assert landmarks.shape == (478, 3)
    landmarks[:, :2] *= IMAGE_SIZE_OF_VECTOR
    result = faces.run("blendshapes", landmarks=landmarks[np.newaxis].astype(np.float32))["blendshapes"][0]
    assert labels == list(constants.BLENDSHAPES) == faces.card.settings["blendshape_names"]
    np.testing.assert_allclose(result, numbers(expected, "score"), atol=1e-5)


def test_the_same_file_gives_the_same_bytes(faces: Bundle, task: Path, tmp_path: Path) -> None:
    again = write_face_bundle(tmp_path, task=task)
    assert again == tmp_path / "mediapipe-faces" / "2"
    assert {path.name for path in again.iterdir()} == {path.name for path in faces.folder.iterdir()}
    for path in again.iterdir():
        assert path.read_bytes() == (faces.folder / path.name).read_bytes()


def test_a_flipped_bit_is_refused_and_leaves_nothing(task: Path, tmp_path: Path) -> None:
    data = bytearray(task.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "face_landmarker.task"
    damaged.write_bytes(data)
    with pytest.raises(FaceSourceError, match="not the published"):
        write_face_bundle(tmp_path / "out", task=damaged)
    assert not (tmp_path / "out").exists()


def test_the_card_names_source_licence_and_changes(faces: Bundle) -> None:
    card = faces.card
    assert (card.name, card.version, card.task) == ("mediapipe-faces", "2", "face")
    assert {entry.role for entry in card.files.values()} == {"detector", "mesh", "blendshapes"}
    assert card.licence.spdx == "Apache-2.0"
    assert card.licence.commercial_use
    assert "Changed from the publisher's files" in card.licence.attribution
    assert "storage.googleapis.com" in card.description
    assert card.settings["mesh_points"] == 478
    for name in card.files:
        properties = {entry.key: entry.value for entry in onnx.load(faces.folder / name).metadata_props}
        assert properties["licence"] == "Apache-2.0"
        assert properties["changes"] in card.licence.attribution


@pytest.mark.parametrize("role", ["detector", "mesh", "blendshapes"])
def test_a_face_is_not_changed_by_its_batch(faces: Bundle, role: str) -> None:
    name = "landmarks" if role == "blendshapes" else "image"
    size_px = {"detector": 128, "mesh": 256, "blendshapes": 0}[role]
    inputs = image_batch(size_px) if size_px else np.random.default_rng(1).random((3, 478, 3), np.float32) * 200
    together = faces.run(role, **{name: inputs})
    for row in range(len(inputs)):
        alone = faces.run(role, **{name: inputs[row : row + 1]})
        for output, values in alone.items():
            np.testing.assert_allclose(values[0], together[output][row], atol=1e-4 if size_px else 1e-5)


def test_there_is_no_prelu_node(faces: Bundle) -> None:
    for name in faces.card.files:
        assert all(node.op_type != "PRelu" for node in onnx.load(faces.folder / name).graph.node)


def test_anchors_are_the_centres_of_two_grids() -> None:
    anchors = detector_anchors()
    assert anchors.shape == (896, 2)
    rows = [0, 1, 2, 511, 512, 517, 518, 895]
    places_px = [[4, 4], [4, 4], [12, 4], [124, 124], [8, 8], [8, 8], [24, 8], [120, 120]]
    np.testing.assert_allclose(anchors[rows] * 128, places_px)


def test_one_face_is_found_and_followed(faces: Bundle) -> None:
    picture = Image.open(shared_file("media/single_face.jpg")).convert("RGB")
    found = find_faces(faces, picture)
    assert len(found) == 1
    landmarks, presence = follow(faces, picture)
    assert presence > 0.9
    keypoints = found[0][1]
    distance = np.linalg.norm(landmarks[33] - landmarks[263])
    # The detector's eyes and nose lie where the mesh has them.
    for corners, keypoint in (((33, 133), 0), ((362, 263), 1)):
        middle = landmarks[list(corners), :2].mean(0)
        assert np.linalg.norm(middle - keypoints[keypoint]) < 0.2 * distance
    assert np.linalg.norm(landmarks[1, :2] - keypoints[2]) < 0.25 * distance
    scores = faces.run("blendshapes", landmarks=landmarks[np.newaxis])["blendshapes"][0]
    assert ((scores >= 0) & (scores <= 1)).all()


def test_several_faces_and_none(faces: Bundle) -> None:
    assert len(find_faces(faces, Image.open(shared_file("media/multi_face.jpg")).convert("RGB"))) > 1
    assert find_faces(faces, Image.new("RGB", (640, 360), (90, 110, 130))) == []


def test_the_wheel_gives_the_same_detector(faces: Bundle, older_faces: Bundle) -> None:
    graphs = [onnx.load(bundle.folder / "detector.onnx").graph for bundle in (faces, older_faces)]
    assert graphs[0].SerializeToString(deterministic=True) == graphs[1].SerializeToString(deterministic=True)


def test_the_wheel_gives_the_older_mesh_without_blendshapes(faces: Bundle, older_faces: Bundle) -> None:
    card = older_faces.card
    assert (card.name, card.version) == ("mediapipe-faces", "1")
    assert card.settings["mesh_points"] == 468
    assert {entry.role for entry in card.files.values()} == {"detector", "mesh"}
    picture = Image.open(shared_file("media/single_face.jpg")).convert("RGB")
    older, presence = follow(older_faces, picture)
    newer, _ = follow(faces, picture)
    assert presence > 0.9
    distance = np.linalg.norm(newer[33] - newer[263])
    assert np.linalg.norm(older[:, :2] - newer[:468, :2], axis=1).mean() < 0.1 * distance


def test_a_task_file_is_no_wheel(task: Path) -> None:
    with pytest.raises(FaceSourceError, match="holds no"):
        from_wheel(task.read_bytes())


@pytest.mark.parametrize(
    ("role", "size_px", "tolerance"), [("detector", 128, 5e-4), ("mesh", 256, 2e-3), ("blendshapes", 0, 1e-5)]
)
def test_against_the_publishers_interpreter(
    faces: Bundle, task: Path, role: str, size_px: int, tolerance: float
) -> None:
    """Tolerances in pixels for the first two; largest differences measured: 1.1e-4, 8.4e-4, 1.7e-6."""
    interpreter = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="the publisher's interpreter (ai-edge-litert) is not installed"
    )
    model = interpreter.Interpreter(model_content=from_task(task.read_bytes()).networks[role])
    model.allocate_tensors()
    landmarks = np.random.default_rng(2).random((1, 478, 3), np.float32) * 300
    image = image_batch(size_px, 1) if size_px else landmarks
    fed = {"detector": image * 2 - 1, "mesh": image, "blendshapes": landmarks[:, constants.BLENDSHAPE_POINTS, :2]}
    model.set_tensor(model.get_input_details()[0]["index"], fed[role])
    model.invoke()
    theirs = [model.get_tensor(detail["index"]) for detail in model.get_output_details()]
    ours = faces.run(role, **{"image" if size_px else "landmarks": image})
    largest = max(theirs, key=np.size)
    if role == "detector":
        centre, half = largest[..., :2] / 128 + detector_anchors(), largest[..., 2:4] / 256
        expected = np.concatenate([centre - half, centre + half], -1) * 128
        result = ours["boxes"] * 128
    else:
        result = ours[{"mesh": "landmarks", "blendshapes": "blendshapes"}[role]]
        expected = largest.reshape(result.shape)
    np.testing.assert_allclose(result, expected, atol=tolerance)


def test_training_gives_the_committed_units_and_figures(tmp_path: Path) -> None:
    data = shared_file("face_synth/synth478.npz").parent
    for bundle in train_action_units(data, tmp_path, seed=0):
        card = read_card(bundle)
        measured = {measurement.metric: measurement.value for measurement in card.measurements}
        committed = ROOT / "models" / card.name / card.version
        assert {m.metric: m.value for m in read_card(committed).measurements} == pytest.approx(measured, abs=1e-3)
        assert read_card(committed).settings["dead_zone"] == pytest.approx(card.settings["dead_zone"], abs=1e-3)
        for ours, theirs in zip(
            onnx.load(bundle / "model.onnx").graph.initializer,
            onnx.load(committed / "model.onnx").graph.initializer,
            strict=True,
        ):
            a, b = onnx.numpy_helper.to_array(ours), onnx.numpy_helper.to_array(theirs)
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_place_and_size_in_the_picture_do_not_matter() -> None:
    archive = np.load(shared_file("face_synth/synth478.npz"))
    rows = np.flatnonzero(archive["pid"] == archive["pid"][0])
    units = Bundle(ROOT / "models" / "action-units-478" / "2")
    seen = {"landmarks": archive["L"][rows].astype(np.float32), "blendshapes": archive["B"][rows].astype(np.float32)}
    found = units.run("model", **seen)
    moved = units.run("model", **seen | {"landmarks": seen["landmarks"] * 3 + np.array([40, -25, 0], np.float32)})
    for name, values in found.items():
        np.testing.assert_allclose(moved[name], values, atol=0.01)


def test_the_units_follow_a_real_face_beside_openface(faces: Bundle, tmp_path: Path) -> None:
    """The video that README of the media names; floors lie below what docs/video.md states."""
    for name in ("talking_real.mp4", "talking_real.csv"):
        (tmp_path / name).symlink_to(shared_file(f"media/{name}"))
    with unit_reader(ROOT / "models" / "action-units-478" / "2", faces.folder.parents[1]) as read:
        scores = score([side_by_side(read, one, None) for one in coded_in(tmp_path)])
    found = {unit: one.correlation for unit, one in scores.items() if one.correlation is not None}
    assert len(found) == 9
    assert np.mean(list(found.values())) > 0.6
    assert min(found.values()) > 0.25
