"""Following faces and turning them into action units, with networks that see what the test says."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from service.card import read_card
from service.pipeline.decoding.frame_stream import VideoFrame
from service.pipeline.face.action_units import ActionUnitModel, smooth, smoothing_width
from service.pipeline.face.face_log import VALUES, FaceLog
from service.pipeline.face.geometry import Region, region_around
from service.pipeline.face.networks import Detection, Mesh
from service.pipeline.face.neutral import Neutral, NeutralUse, joined_faces, read_neutral
from service.pipeline.face.tracker import MOST_FACES, MOST_NUMBERS, FaceTracker
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.media.video_frames import FrameClock, VideoJob, scaled_size, turned
from service.pipeline.video.video_faces import VideoFaces
from service.problems import (
    MediaTooLong,
    ProfileInvalid,
    ProfileMismatch,
    ProfileTooLittleFace,
    TooManyFrames,
    Unprocessable,
)
from service.registry import Bundle
from service.schemas.profile import profile_document, read_face_profile
from tests.shared_material import ROOT

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


@pytest.fixture(scope="module")
def units():
    folder = ROOT / "models" / "action-units-468" / "2"
    return ActionUnitModel(Bundle(read_card(folder), folder))


def logged(relative, absolute=0.7):
    """A log of a face whose relative values are ``relative`` [frames, 17]; the times of its frames."""
    log = FaceLog()
    for index, row in enumerate(relative):
        log.add(index, np.concatenate([row, np.full(17, absolute)]), 10.0, np.zeros(4))
    return log, np.arange(len(relative)) / 25


def test_at_rest_every_unit_is_zero(units):
    level = np.linspace(-3, 4, 17)
    for neutral in (Neutral("median"), Neutral("stretch", 0.0, 2.0)):
        found, _, flags = units.intensities(*logged(np.tile(level, (100, 1))), neutral)
        assert not found.any()
        assert flags == ()


def test_a_smile_through_most_of_a_recording_is_no_rest(units):
    smile = np.zeros((100, 17))
    smile[30:, ACTION_UNITS.index("AU12")] = 3.0
    found, _, _ = units.intensities(*logged(smile), Neutral("median"))
    assert found[50, ACTION_UNITS.index("AU12")] > 2.5
    assert not found[:20].any()


def test_rest_is_that_of_the_stretch_and_of_nothing_else(units):
    values = np.zeros((100, 17))
    values[:50] = 2.0
    log, time_s = logged(values)
    found, _, _ = units.intensities(log, time_s, Neutral("stretch", 2.2, 3.0))
    assert found[10].min() > 1.2
    assert not found[60].any()
    with pytest.raises(Unprocessable) as caught:
        units.intensities(log, time_s, Neutral("stretch", 50.0, 60.0))
    assert caught.value.pointer == "/neutral"


def test_a_smile_that_is_taken_for_rest_is_told(units):
    log = FaceLog()
    for index in range(100):
        row = np.zeros(VALUES)
        row[len(ACTION_UNITS) + ACTION_UNITS.index("AU12")] = 3.0 if index >= 20 else 0.4
        log.add(index, row, 10.0, np.zeros(4))
    time_s = np.arange(100) / 25

    def flags(neutral):
        return units.intensities(log, time_s, neutral)[2]

    assert flags(Neutral("median")) == ("neutral_smiles",)  # four fifths of the recording
    assert flags(Neutral("stretch", 2.0, 3.0)) == ("neutral_smiles",)
    assert flags(Neutral("stretch", 0.0, 0.7)) == ()
    assert flags(Neutral("none")) == ()
    rest = units.profile(log, time_s, Neutral("stretch", 0.0, 0.7))
    assert flags(Neutral("document", profile=rest)) == ()


def test_what_the_rest_was_taken_from_is_told(units):
    log, time_s = logged(np.zeros((100, 17)))
    assert units.intensities(log, time_s, Neutral("median"))[1] == NeutralUse("median", 100, 0.0, 3.96)
    assert units.intensities(log, time_s, Neutral("stretch", 1.0, 2.01))[1] == NeutralUse("stretch", 26, 1.0, 2.0)
    assert units.intensities(log, time_s, Neutral("none"))[1] == NeutralUse("none")
    assert units.intensities(*logged(np.zeros((20, 17))), Neutral("median"))[1] == NeutralUse("none")


def test_a_document_is_the_rest_of_another_recording(units):
    level = np.linspace(-3, 4, 17)
    made = units.profile(*logged(np.tile(level, (100, 1))), Neutral("median"))
    assert (made.frames, made.mesh, made.encoder_sha256) == (100, 468, units.bundle.sha256)
    smile = np.tile(level, (20, 1))
    smile[:, ACTION_UNITS.index("AU12")] += 2.0
    neutral = units.neutral("document", read_face_profile(profile_document(made).model_dump_json().encode()))
    found, use, flags = units.intensities(*logged(smile), neutral)
    assert (use, flags) == (NeutralUse("document", 100), ())
    expected = np.zeros(17)
    expected[ACTION_UNITS.index("AU12")] = found[0, ACTION_UNITS.index("AU12")]
    np.testing.assert_allclose(found, np.tile(expected, (20, 1)), atol=2e-3)
    assert expected.sum() > 1.5
    with pytest.raises(ProfileMismatch):
        units.neutral("document", replace(made, encoder_sha256="0" * 64))
    with pytest.raises(ProfileInvalid):
        units.neutral("document", None)


def test_profiles_of_several_recordings_count_by_their_frames(units):
    short, long = (
        units.profile(*logged(np.full((frames, 17), level)), Neutral("median"))
        for frames, level in ((100, 1.0), (300, 3.0))
    )
    both = joined_faces([short, long])
    assert both.frames == 400
    np.testing.assert_allclose(both.mean, 2.5)
    with pytest.raises(ProfileTooLittleFace):
        units.profile(*logged(np.zeros((20, 17))), Neutral("median"))
    with pytest.raises(ProfileTooLittleFace):
        units.profile(None, np.zeros(1), Neutral("median"))


def test_a_short_sight_has_no_rest(units):
    found, _, flags = units.intensities(*logged(np.zeros((20, 17))), Neutral("median"))
    assert flags == ("no_neutral",)
    np.testing.assert_allclose(found, 0.7, atol=1e-3)
    found, _, flags = units.intensities(*logged(np.zeros((100, 17))), Neutral("none"))
    assert flags == ()
    np.testing.assert_allclose(found, 0.7, atol=1e-3)


def test_smoothing_stops_at_gaps():
    units = np.array([[3.0], [6.0], [0.0], [9.0], [0.0], [0.0]], np.float32)
    frames = np.array([0, 1, 3])
    np.testing.assert_allclose(smooth(units, frames, 3)[:, 0], [4.5, 4.5, 0, 9, 0, 0])
    np.testing.assert_array_equal(smooth(units, frames, 1), units)


def job(**limits):
    defaults = {"max_duration_s": 10.0, "max_frame_pixels": 10**6, "max_frames": 1000, "max_streams": 4}
    defaults["max_frame_rate_hz"] = 40.0
    return VideoJob("mp4", "mov", ("h264",), **(defaults | limits))


def test_times_start_at_0_and_increase_whatever_the_stamps_say():
    clock = FrameClock(job(), 10.0)
    stamps = [5.0, 5.1, 5.1, None, 5.05, 6.0]
    np.testing.assert_allclose([clock.tick(stamp) for stamp in stamps], [0, 0.1, 0.2, 0.3, 0.4, 1.0])
    assert clock.repaired == 3
    assert clock.rate_hz == pytest.approx(5.0)


@pytest.mark.parametrize("claimed_hz", [0.0, 1e9, float("nan"), -3.0])
def test_without_stamps_or_a_sane_rate_25_a_second_are_taken(claimed_hz):
    clock = FrameClock(job(), claimed_hz)
    np.testing.assert_allclose([clock.tick(None) for _ in range(4)], [0, 0.04, 0.08, 0.12])
    assert clock.duration_s == pytest.approx(0.16)


def test_limits_are_held_while_time_goes_by():
    with pytest.raises(TooManyFrames):
        [FrameClock(clock_job, 25).tick(None) for clock_job in [job(max_frames=0)]]
    late = FrameClock(job(), 25)
    late.tick(0.0)
    with pytest.raises(MediaTooLong):
        late.tick(10.5)


def test_of_60_frames_a_second_every_other_is_looked_at():
    clock = FrameClock(job(), 60)
    assert [clock.takes(clock.tick(index / 60)) for index in range(6)] == [True, False] * 3
    uneven = FrameClock(job(), 30)
    assert all(uneven.takes(uneven.tick(stamp)) for stamp in (0.0, 0.028, 0.066, 0.1))


@pytest.mark.parametrize(
    ("rate_hz", "greatest_hz", "kept_of_12"),
    [(25, 40, 12), (30, 40, 12), (40, 40, 12), (50, 40, 6), (59.94, 40, 6), (120, 40, 4), (60, 60, 12), (200, 240, 12)],
)
def test_the_greatest_rate_decides_how_many_frames_are_looked_at(rate_hz, greatest_hz, kept_of_12):
    clock = FrameClock(job(max_frame_rate_hz=greatest_hz), rate_hz)
    stamps = [round(index / rate_hz, 3) for index in range(12)]  # as containers with milliseconds write them
    assert sum(clock.takes(clock.tick(stamp)) for stamp in stamps) == kept_of_12


def test_two_frames_close_together_do_not_make_a_fast_video():
    clock = FrameClock(job(), 26.5)
    stamps = np.arange(40) / 26.5
    stamps[[5, 20]] = stamps[[4, 19]] + 0.014  # as in recordings of telephones
    assert all(clock.takes(clock.tick(stamp)) for stamp in stamps)


def test_a_fast_stretch_of_a_slow_video_is_thinned():
    clock = FrameClock(job(), 25.0)
    stamps = [*np.arange(20) / 25, *(0.8 + np.arange(60) / 120)]
    taken = [clock.takes(clock.tick(stamp)) for stamp in stamps]
    assert all(taken[:20])
    assert sum(taken[20:]) < 30


@pytest.mark.parametrize(("rate_hz", "width"), [(5, 3), (25, 3), (30, 3), (40, 3), (50, 5), (60, 5), (120, 11)])
def test_smoothing_takes_the_same_time_at_every_rate(rate_hz, width):
    assert smoothing_width(3, np.arange(100) / rate_hz) == width


def test_pictures_are_scaled_and_turned():
    assert scaled_size(320, 240, 1.0) == (320, 240)
    assert scaled_size(1920, 1080, 1.0) == (640, 360)
    assert scaled_size(720, 576, 16 / 15) == (640, 480)
    assert scaled_size(100_000, 1, 1.0) == (640, 1)
    assert scaled_size(100, 100, 1e9) == (100, 100)
    picture = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    np.testing.assert_array_equal(turned(picture, 0.0), picture)
    np.testing.assert_array_equal(turned(picture, -90.0)[0, 0], picture[0, 0])
    np.testing.assert_array_equal(turned(picture, 90.0)[0, 0], picture[0, 1])
