import math

import numpy as np
import pytest

from service.pipeline.speech.check_clip import check_clip, largest_difference, told_numbers


def test_the_clip_is_loud_and_unclipped_and_a_shorter_one_is_its_beginning() -> None:
    clip = check_clip(16_000, 60.0)
    assert (clip.dtype, len(clip)) == (np.float32, 48_000)
    assert 0.2 < np.abs(clip).max() < 1
    assert np.array_equal(check_clip(16_000, 1.5), clip[:24_000])


def test_numbers_are_kept_at_even_distances() -> None:
    assert told_numbers(np.arange(151, dtype=np.float32)) == [10.0 * step for step in range(16)]
    assert told_numbers(np.array(0.12345678, np.float32)) == [0.123457]


@pytest.mark.parametrize(
    ("told", "found", "expected"),
    [
        ({"a": [0.5], "b": [0.25, 0.75]}, {"a": [0.5], "b": [0.5, 0.75], "c": [9.0]}, (0.25, "b")),
        ({"a": [100.0, 0.0]}, {"a": [100.0, 1.0]}, (0.01, "a")),
        ({"a": [0.5]}, {}, (math.inf, "a")),
        ({"a": [0.5]}, {"a": [0.5, 0.5]}, (math.inf, "a")),
        ({}, {"a": [0.5]}, (0.0, "")),
    ],
)
def test_differences(told: dict[str, list[float]], found: dict[str, list[float]], expected: tuple[float, str]) -> None:
    assert largest_difference(told, found) == expected
