"""Following faces and turning them into action units, with networks that see what the test says."""

from dataclasses import dataclass

import numpy as np
import pytest

from service.pipeline.decoding.frame_stream import VideoFrame
from service.pipeline.face.face_log import VALUES, FaceLog
from service.pipeline.face.geometry import Region, region_around
from service.pipeline.face.networks import Detection, Mesh
from service.pipeline.face.neutral import Neutral, NeutralUse, read_neutral
from service.pipeline.face.tracker import MOST_FACES, MOST_NUMBERS, FaceTracker
from service.pipeline.video.video_faces import VideoFaces
from service.problems import (
    Unprocessable,
)

BLANK = np.zeros((360, 640, 3), np.uint8)


@dataclass
class Face:
    x: float
    y: float = 180.0
    size: float = 80.0


class Settings:
    min_presence = 0.5


class StagedNetworks:
    """Sees the faces in ``present``; a mesh is square, with points at its corners."""

    settings = Settings()
    has_blendshapes = False

    def __init__(self):
        self.present: list[Face] = []
        self.looks = 0

    def detect(self, picture, regions=None):
        if regions is not None:  # a closer or a turned look: these faces are upright and large
            return []
        self.looks += 1
        boxes = [np.array([f.x, f.y, f.x, f.y]) + f.size / 2 * np.array([-1, -1, 1, 1]) for f in self.present]
        return [Detection(Region(*(box[:2] + box[2:]) / 2, *(box[2:] - box[:2])), box, 0.9) for box in boxes]

    def meshes(self, picture, regions):
        return [self._mesh(region) for region in regions]

    def _mesh(self, region):
        reach = region.width
        near = [f for f in self.present if abs(f.x - region.centre_x) < reach and abs(f.y - region.centre_y) < reach]
        if not near:
            return Mesh(np.zeros((4, 3)), 0.1)
        face = min(near, key=lambda f: abs(f.x - region.centre_x))
        corners = np.array([[-1, -1, 0], [1, -1, 0], [-1, 1, 0], [1, 1, 0]]) * face.size / 2
        return Mesh(corners + np.array([face.x, face.y, 0]), 0.99)

    def next_region(self, points):
        plane = points[:, :2]
        return region_around(plane.min(0), plane.max(0), plane[0], plane[1], factor=1.0, square=True)


class Stage:
    def __init__(self):
        self.networks = StagedNetworks()
        self.tracker = FaceTracker(self.networks)
        self.time_s = 0.0

    def show(self, *faces, frames=1):
        self.networks.present = list(faces)
        for _ in range(frames):
            found = self.tracker.step(BLANK, self.time_s)
            self.time_s += 0.04
        return {face.number: round(float(face.points[:, 0].mean())) for face in found}


def test_a_face_that_moves_keeps_its_number_and_needs_no_detector():
    stage = Stage()
    for x in range(100, 300, 20):
        assert list(stage.show(Face(x))) == [0]
    assert stage.networks.looks == 1


def test_others_are_found_within_half_a_second():
    stage = Stage()
    stage.show(Face(100), frames=3)
    assert stage.show(Face(100), Face(400), frames=14) == {0: 100, 1: 400}
    assert stage.networks.looks <= 3


def test_a_lost_face_comes_back_under_its_number():
    stage = Stage()
    stage.show(Face(100), Face(400), frames=2)
    assert stage.show(Face(400), frames=5) == {1: 400}
    assert stage.show(Face(110), Face(400), frames=14) == {0: 110, 1: 400}


def test_alone_it_may_come_back_elsewhere_but_not_at_another_size():
    stage = Stage()
    stage.show(Face(100), frames=2)
    assert stage.show(frames=10) == {}
    assert stage.show(Face(500), frames=2) == {0: 500}
    stage.show(frames=2)
    assert stage.show(Face(200, size=250.0), frames=2) == {1: 200}


def test_two_tracks_on_one_face_become_one():
    stage = Stage()
    stage.show(Face(100), Face(260), frames=2)
    stage.networks.present = [Face(180)]
    for track in stage.tracker._live:
        track.region = Region(180.0, 180.0, 80.0, 80.0)
    assert list(stage.show(Face(180))) == [0]


def test_the_number_of_faces_is_bounded():
    stage = Stage()
    crowd = [Face(60 + 100 * index, size=40.0) for index in range(6)]
    assert len(stage.show(*crowd, frames=20)) == MOST_FACES
    for index in range(2 * MOST_NUMBERS):
        stage.show(Face(100, size=10.0 * 4 ** (index % 2 + 1)))
        found = stage.show()
    assert found == {}
    assert stage.tracker._numbers <= MOST_NUMBERS


class CentreUnits:
    """Unit 0 of a frame is the face's centre."""

    confidence = 0.98

    def values(self, points, blendshapes):
        values = np.zeros((len(points), VALUES), np.float32)
        values[:, 0] = points[:, :, 0].mean(axis=1)
        return values

    def intensities(self, log, time_s, neutral):
        units = np.zeros((len(time_s), 17))
        units[log.frames] = log.values[:, :17]
        return units, NeutralUse(neutral.kind), ()


def watch(*steps, neutral=Neutral("none")):  # noqa: B008 - frozen
    networks = StagedNetworks()
    faces = VideoFaces(networks, CentreUnits(), neutral)
    time_s = 0.0
    for present, count in steps:
        networks.present = present
        for _ in range(count):
            faces.look(VideoFrame(time_s, BLANK, 0.0))
            time_s += 0.04
    return faces


def test_without_a_face_nothing_is_known():
    face = watch(([], 5)).chosen("largest")
    assert (face.flags, face.number) == ((), None)
    assert not face.series.tracked.any()
    assert not face.series.confidence.any()


def test_the_largest_face_is_taken_or_a_number():
    faces = watch(([Face(100, size=60.0), Face(400, size=90.0)], 5))
    assert faces.chosen("largest").series.action_units[0, 0] == pytest.approx(400)
    chosen = faces.chosen("0")
    assert chosen.series.action_units[0, 0] == pytest.approx(100)
    assert chosen.flags == ("several_faces",)
    with pytest.raises(Unprocessable) as caught:
        faces.chosen("2")
    assert caught.value.pointer == "/face"


def test_every_face_comes_largest_first_and_no_more_than_the_limit():
    faces = watch(([Face(100, size=60.0), Face(400, size=90.0), Face(250, size=30.0)], 5))
    found, flags = faces.every(8)
    assert [one.series.action_units[0, 0] for one in found] == pytest.approx([400, 100, 250])
    assert [one.number for one in found] == [1, 0, 2]
    assert flags == ()
    found, flags = faces.every(2)
    assert [one.number for one in found] == [1, 0]
    assert flags == ("faces_left_out",)
    assert watch(([], 5)).every(8) == ([], ())


def test_a_gap_is_untracked():
    face = watch(([Face(100)], 5), ([], 20), ([Face(100)], 5)).chosen("largest")
    series = face.series
    assert (face.flags, face.number) == ((), 0)
    np.testing.assert_array_equal(series.tracked, [True] * 5 + [False] * 20 + [True] * 5)
    np.testing.assert_array_equal(series.confidence > 0, series.tracked)
    assert not series.action_units[5:25].any()


def test_a_sight_of_a_frame_or_two_is_no_face():
    assert watch(([], 20), ([Face(100)], 2), ([], 5)).chosen("largest").number is None
    assert watch(([Face(100)], 1)).chosen("largest").series.tracked.tolist() == [True]


def test_neutral_is_read():
    assert read_neutral("median").kind == "median"
    assert read_neutral("none").kind == "none"
    assert read_neutral("1.5:3") == Neutral("stretch", 1.5, 3.0)


def test_values_survive_half_precision():
    frames = np.random.default_rng(0).normal(0, 2, (200, VALUES)).astype(np.float32)
    log = FaceLog()
    for index, values in enumerate(frames):
        log.add(3 * index, values, 10.0, np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_array_equal(log.frames, 3 * np.arange(200))
    np.testing.assert_allclose(log.values, frames, atol=4e-3)
    np.testing.assert_allclose(log.boxes, np.tile([0.1, 0.2, 0.3, 0.4], (200, 1)), atol=5e-4)
    assert log.presence == 2000.0
