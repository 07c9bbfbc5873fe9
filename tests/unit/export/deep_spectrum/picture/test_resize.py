import numpy as np
import pytest
from PIL import Image

from export.deep_spectrum.picture.banded_product import in_blocks
from export.deep_spectrum.picture.resize import bicubic_matrix, nearest_pixels


def picture(edge: int) -> np.ndarray:
    return np.random.default_rng(edge).integers(0, 256, (edge, edge), dtype=np.uint8)


@pytest.mark.parametrize("after", [224, 299, 64, 331, 500])
def test_bicubic_is_pillows(after):
    before = picture(227)
    matrix = bicubic_matrix(227, after)
    across = np.clip(np.rint(before @ matrix.T), 0, 255)
    ours = np.clip(np.rint(matrix @ across), 0, 255)
    theirs = np.asarray(Image.fromarray(before).resize((after, after), Image.Resampling.BICUBIC))
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 1e-3  # where the sum lies on a half


@pytest.mark.parametrize("after", [224, 227, 299, 100])
def test_nearest_is_pillows(after):
    before = picture(227)
    theirs = np.asarray(Image.fromarray(before).resize((after, after), Image.Resampling.NEAREST))
    pixels = nearest_pixels(227, after)
    np.testing.assert_array_equal(before[pixels][:, pixels], theirs)


@pytest.mark.parametrize("after", [224, 299, 331, 7])
def test_blocks_hold_the_whole_matrix(after):
    matrix = bicubic_matrix(227, after)
    blocks = in_blocks(matrix)
    rebuilt = np.zeros((len(blocks.columns), blocks.weights.shape[1], 227), dtype=np.float32)
    for block, (columns, weights) in enumerate(zip(blocks.columns, blocks.weights, strict=True)):
        rebuilt[block][:, columns] = weights
    np.testing.assert_array_equal(rebuilt.reshape(after, 227), matrix)
    assert blocks.rows == after


def test_blocks_multiply_little_by_zero():
    assert in_blocks(bicubic_matrix(227, 224)).weights.size < 0.2 * 227 * 224
