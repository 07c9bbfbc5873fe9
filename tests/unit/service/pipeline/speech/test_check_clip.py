import math
from pathlib import Path

import numpy as np
import pytest

from service.card import read_card
from service.pipeline.device.session import CPU, CUDA, Provider, Session
from service.pipeline.speech.check_clip import TOLERANCE, check_clip, largest_difference, told_numbers
from service.pipeline.speech.model import EmotionModel
from service.registry import Bundle, BundleError
from tests.tiny_models import write_speech_bundle


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


@pytest.mark.parametrize(
    ("provider", "difference", "starts"),
    [(CPU, 0.0, True), (CPU, 3 * TOLERANCE, False), (CUDA, 3 * TOLERANCE, True), (CUDA, 30 * TOLERANCE, False)],
)
def test_a_gpu_may_differ_further(tmp_path: Path, provider: Provider, difference: float, starts: bool) -> None:
    folder = write_speech_bundle(tmp_path)
    card = read_card(folder)
    assert card.check_clip is not None
    outputs = card.check_clip.outputs | {
        "model": {
            name: [number + difference for number in told] for name, told in card.check_clip.outputs["model"].items()
        }
    }
    card = card.model_copy(update={"check_clip": card.check_clip.model_copy(update={"outputs": outputs})})
    model = EmotionModel(Bundle(card, folder), Session(folder / card.file_with_role("model"), device="cpu"), 1)
    model.session.provider = provider
    if starts:
        model.warm_up()
        return
    with pytest.raises(BundleError, match="of its check clip differs"):
        model.warm_up()
