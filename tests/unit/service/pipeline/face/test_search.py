"""Small faces, turned faces and still ones, drawn at places that are known, with the publisher's networks."""

import cv2
import numpy as np
import pytest

from export.faces.bundle import write_face_bundle
from service.pipeline.face.action_units import ActionUnitModel, choose_action_units
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.search import CROP_SHARE, LOOK_AGAIN_S, crops
from service.pipeline.face.tracker import FaceTracker
from service.pipeline.video.video_faces import face_values
from service.registry import Registry
from service.settings import Settings
from tests.shared_material import ROOT, shared_file

VARIANTS = range(50)
WIDTH, HEIGHT = 640, 360


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_face_bundle(folder, task=shared_file("weights/face_landmarker.task"))
    return Registry.load(Settings(model_dirs=[folder, ROOT / "models"], device="cpu", threads=1))


@pytest.fixture(scope="module")
def networks(registry):
    return FaceNetworks(registry.find(task="face"))


@pytest.fixture(scope="module")
def units(registry, networks):
    return ActionUnitModel(
        choose_action_units(registry, networks.settings.mesh_points, has_blendshapes=networks.has_blendshapes)
    )


@pytest.fixture(scope="module")
def portrait(networks):
    """A picture of a face and the face's box in it, left, top, right, bottom in pixels."""
    image = cv2.imread(str(shared_file("media/single_face.jpg")))[:, :, ::-1]
    scale = 600 / max(image.shape[:2])
    image = np.ascontiguousarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    (face,) = FaceTracker(networks).step(image, 0.0)
    height, width = image.shape[:2]
    left, top, wide, high = face.box * (width, height, width, height)
    return image, np.array([left, top, left + wide, top + high])


def staged(portrait, rng, share, *, turned=False):
    """A grey picture with the portrait so small that its face has ``share`` of the width; and the face's box."""
    image, box = portrait
    scale = share * WIDTH / (box[2] - box[0])
    if scale > 1 or min(HEIGHT / image.shape[0], WIDTH / image.shape[1]) < scale:
        scale = min(HEIGHT / image.shape[0], WIDTH / image.shape[1], 1.0)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    x, y = int(rng.integers(0, WIDTH - width + 1)), int(rng.integers(0, HEIGHT - height + 1))
    picture = np.full((HEIGHT, WIDTH, 3), int(rng.integers(0, 120)), np.uint8)
    picture[y : y + height, x : x + width] = small
    there = box * scale + (x, y, x, y)
    if turned:
        picture = np.ascontiguousarray(picture[::-1, ::-1])
        there = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT]) - there[[2, 3, 0, 1]]
    return picture, there / (WIDTH, HEIGHT, WIDTH, HEIGHT)


def overlap(face, there):
    left, top, wide, high = face.box
    shared = np.clip(np.minimum((left + wide, top + high), there[2:]) - np.maximum((left, top), there[:2]), 0, None)
    one, other = wide * high, np.prod(there[2:] - there[:2])
    return np.prod(shared) / (one + other - np.prod(shared))


@pytest.mark.parametrize("turned", [False, True], ids=["upright", "upside down"])
@pytest.mark.parametrize("share", [0.08, 0.1, 0.2], ids=lambda share: f"{share:.0%}")
def test_faces_of_every_size_are_found_where_they_are(networks, portrait, share, turned):
    for seed in VARIANTS:
        picture, there = staged(portrait, np.random.default_rng(seed), share, turned=turned)
        found = FaceTracker(networks).step(picture, 0.0)
        if turned and share < 0.1 and not found:
            continue  # null, and flagged: crops are not searched upside down
        assert len(found) == 1, seed
        assert overlap(found[0], there) > 0.6, seed


def test_a_face_on_its_head_says_what_it_says_upright(networks, units, portrait):
    said = []
    for turned in (False, True):
        picture, _ = staged(portrait, np.random.default_rng(3), 0.25, turned=turned)
        values = face_values(FaceTracker(networks).step(picture, 0.0), networks, units)
        said.append(units.limited(values, None)[0])
    np.testing.assert_allclose(said[1], said[0], atol=0.3)


def test_a_still_face_does_not_move(networks, portrait):
    for seed in VARIANTS:
        rng = np.random.default_rng(seed)
        picture, _ = staged(portrait, rng, float(rng.uniform(0.1, 0.3)))
        tracker = FaceTracker(networks)
        faces = [tracker.step(picture, index / 30)[0] for index in range(4)]
        distance_px = np.abs(faces[-1].points - faces[0].points).mean()
        assert distance_px < 0.002 * faces[0].size_px, seed


def test_where_there_is_no_face_none_is_found_and_the_search_is_bounded(networks):
    rng = np.random.default_rng(0)
    looks = []

    class Counting:
        settings = networks.settings
        next_region = networks.next_region
        meshes = networks.meshes

        def detect(self, picture, regions=None):
            looks.append(1 if regions is None else len(regions))
            return networks.detect(picture, regions)

    tracker = FaceTracker(Counting())
    frames, rate_hz = 60, 30
    for index in range(frames):
        shapes = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 9)
        assert tracker.step(cv2.convertScaleAbs(shapes, alpha=8, beta=-900), index / rate_hz) == []
    searches = int(frames / rate_hz / LOOK_AGAIN_S)
    a_search = 1 + len(crops(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
    assert frames <= sum(looks) <= frames + searches * a_search + 2 * frames


@pytest.mark.parametrize("size", [(360, 640), (640, 360), (480, 640), (512, 512), (1, 1), (90, 640)])
def test_crops_hold_every_small_face(size):
    height, width = size
    squares = crops(np.zeros((height, width, 3), np.uint8))
    side = squares[0].width
    assert len(squares) <= 21
    assert side >= CROP_SHARE * min(size)
    rng = np.random.default_rng(0)
    for _ in range(200):
        face = rng.uniform(0, min(side / 2, *size))
        x, y = rng.uniform(0, width - face), rng.uniform(0, height - face)
        assert any(
            square.centre_x - side / 2 <= x + 1e-6
            and x + face <= square.centre_x + side / 2 + 1e-6
            and square.centre_y - side / 2 <= y + 1e-6
            and y + face <= square.centre_y + side / 2 + 1e-6
            for square in squares
        )
