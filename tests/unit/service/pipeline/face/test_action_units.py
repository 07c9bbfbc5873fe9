"""Action units out of a face's values: rest, smoothing, and profiles of a resting face."""

from dataclasses import replace

import numpy as np
import pytest

from service.card import read_card
from service.pipeline.face.action_units import ActionUnitModel, smooth, smoothing_width
from service.pipeline.face.face_log import VALUES, FaceLog
from service.pipeline.face.neutral import Neutral, NeutralUse, joined_faces
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.problems import (
    ProfileInvalid,
    ProfileMismatch,
    ProfileTooLittleFace,
    Unprocessable,
)
from service.registry import Bundle
from service.schemas.profile import profile_document, read_face_profile
from tests.shared_material import ROOT


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


@pytest.mark.parametrize(("rate_hz", "width"), [(5, 3), (25, 3), (30, 3), (40, 3), (50, 5), (60, 5), (120, 11)])
def test_smoothing_takes_the_same_time_at_every_rate(rate_hz, width):
    assert smoothing_width(3, np.arange(100) / rate_hz) == width
