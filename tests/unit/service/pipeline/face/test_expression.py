"""What a network is shown of a face, and how its looks become rows."""

import numpy as np
import pytest

from service.pipeline.face.expression import (
    EYE_CORNERS,
    LEFT_EYE,
    MOUTH_CORNERS,
    RIGHT_EYE,
    eyes_and_mouth,
    face_box,
)
from service.pipeline.face.looks import ExpressionColumns, ExpressionSeries, Looks

TURN = 0.3


def mesh(turn=0.0):
    """A face 100 pixels wide and 160 high around (300, 200), turned clockwise as seen."""
    generator = np.random.default_rng(0)
    points = generator.uniform((-49, -79), (49, 79), (468, 2))
    points[:2] = (-50, -80), (50, 80)
    points[list(LEFT_EYE)], points[list(RIGHT_EYE)] = (-20, -10), (20, -10)
    points[list(EYE_CORNERS)] = (-28, -10), (28, -10)
    points[list(MOUTH_CORNERS)] = (-15, 30), (15, 30)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.column_stack([points @ axes + (300, 200), np.zeros(468)])


@pytest.mark.parametrize("turn", [0.0, TURN, -2.5])
def test_the_box_holds_the_mesh_with_level_eyes(turn):
    box = face_box(mesh(turn))
    np.testing.assert_allclose((box.centre_x, box.centre_y, box.width, box.height), (300, 200, 100, 160), atol=1e-9)
    assert box.angle == pytest.approx(turn)


@pytest.mark.parametrize("turn", [0.0, TURN])
def test_the_square_is_that_of_its_publisher(turn):
    points = mesh(turn)
    square = eyes_and_mouth(points)
    # the publisher's way: along the eyes plus the turned way down, scaled; the middle a tenth below the eyes
    left, right = points[list(LEFT_EYE), :2].mean(0), points[list(RIGHT_EYE), :2].mean(0)
    eyes, mouth = (left + right) / 2, points[list(MOUTH_CORNERS), :2].mean(0)
    across = (right - left) - np.flipud(mouth - eyes) * [-1, 1]
    across *= max(np.hypot(*(right - left)) * 2.0, np.hypot(*(mouth - eyes)) * 1.8) / np.hypot(*across)
    assert square.width == square.height == pytest.approx(2 * np.hypot(*across) * 224 / 256)
    assert square.angle == pytest.approx(np.arctan2(across[1], across[0]))
    np.testing.assert_allclose((square.centre_x, square.centre_y), eyes + 0.1 * (mouth - eyes))


def test_rows_are_means_of_the_looks_around_them():
    looks = Looks(np.array([0.0, 0.1, 0.2, 2.0]), np.array([[1], [2], [6], [8]], np.float32))
    known = np.array([True, True, True, False])
    rows = looks.at(np.array([0.0, 0.65, 1.3, 2.0]), known)[:, 0]
    np.testing.assert_allclose(rows, [3.0, 6.0, np.nan, np.nan])


def test_no_look_is_nothing_known():
    columns = ExpressionColumns(has_plane=True, labels=("anger", "joy"), action_units=("AU12",))
    series = ExpressionSeries.of(columns, None, np.arange(3) / 10, np.ones(3, bool))
    assert columns.outputs == {"valence": 1, "arousal": 1, "probabilities": 2, "action_units": 1}
    assert np.isnan(series.values).all()
    assert series.output("probabilities").shape == (3, 2)
    assert (
        ExpressionSeries(ExpressionColumns(has_plane=False, labels=(), action_units=("AU12",)), rows_of_one()).output(
            "valence"
        )
        is None
    )


def rows_of_one():
    return np.zeros((3, 1), np.float32)
