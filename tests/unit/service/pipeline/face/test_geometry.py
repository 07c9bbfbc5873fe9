"""Cutting faces out of pictures, smoothing their points, merging detections: against plain computations."""

import math

import numpy as np
import pytest

from service.pipeline.face.geometry import Region, crop, letterbox, overlaps, region_around, to_picture
from service.pipeline.face.networks import merge_overlapping

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


def slow_crop(picture, region, size_px):
    """Pixel by pixel."""
    height, width, _ = picture.shape
    image = np.zeros((size_px, size_px, 3))
    for row, column in np.ndindex(size_px, size_px):
        ((x, y),) = to_picture(np.array([[column, row]], np.float32), region, size_px)
        left, top = math.floor(x), math.floor(y)
        for at_x, at_y in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
            if 0 <= at_x < width and 0 <= at_y < height:
                image[row, column] += (1 - abs(x - at_x)) * (1 - abs(y - at_y)) * picture[at_y, at_x] / 255.0
    return image


@pytest.mark.parametrize(
    "region",
    [
        Region(45.0, 30.0, 40.0, 40.0),
        Region(40.3, 31.7, 37.0, 52.0, 0.7),
        Region(3.0, 57.0, 60.0, 60.0, -2.1),
        Region(-500.0, 20.0, 30.0, 30.0, 0.1),
        Region(45.0, 30.0, 4000.0, 4000.0, 1.0),
        letterbox(PICTURE),
    ],
)
def test_a_crop_is_bilinear_and_black_outside(region):
    image = crop(PICTURE, region, 32)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    np.testing.assert_allclose(image, slow_crop(PICTURE, region, 32), atol=0.51 / 255)  # whole colours


def test_corners_map_to_corners():
    points = np.array([[0, 0, 0], [32, 32, 16]], np.float32)
    placed = to_picture(points, Region(50.0, 40.0, 20.0, 10.0), 32)
    np.testing.assert_allclose(placed, [[40, 35, 0], [60, 45, 10]])


def test_a_region_is_turned_with_the_eyes():
    low, high = np.array([10.0, 20.0]), np.array([30.0, 60.0])
    region = region_around(low, high, np.array([10.0, 30.0]), np.array([20.0, 40.0]), factor=1.5, square=True)
    assert (region.centre_x, region.centre_y, region.width, region.height) == (20.0, 40.0, 60.0, 60.0)
    assert region.angle == pytest.approx(math.pi / 4)
    apart = region_around(low, high, low, np.array([30.0, 20.0]), factor=1.5, square=False)
    assert (apart.width, apart.height, apart.angle) == (30.0, 60.0, 0.0)


def test_overlapping_boxes_become_one_weighted_by_score():
    places = np.array([[[0, 0], [10, 10]], [[1, 0], [11, 10]], [[50, 50], [60, 60]]], np.float32)
    merged = merge_overlapping(places, np.array([0.9, 0.6, 0.7]), 0.5)
    assert [score for _, score in merged] == [0.9, 0.7]
    np.testing.assert_allclose(merged[0][0], [[0.4, 0], [10.4, 10]])
    np.testing.assert_allclose(merged[1][0], [[50, 50], [60, 60]])


def test_overlap_is_intersection_over_union():
    box = np.array([0.0, 0.0, 2.0, 2.0])
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [1, 1, 1, 1]], np.float64)
    np.testing.assert_allclose(overlaps(box, others), [1, 1 / 3, 0, 0])
