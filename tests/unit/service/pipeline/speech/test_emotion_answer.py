"""Rows of a timeline are told in their order, each as soon as it is judged."""

from pathlib import Path

import numpy as np
import pytest

from service.pipeline.device.session import Session
from service.pipeline.speech.emotion_answer import TimelineRows
from service.pipeline.speech.listener import HeardWindows
from service.pipeline.speech.model import EmotionModel
from service.pipeline.speech.utterances import Utterances
from service.pipeline.speech.voice_activity import Steps
from service.pipeline.speech.windows import Windows
from service.registry import Registry
from service.settings import Settings
from tests.tiny_models import write_speech_bundle


@pytest.mark.parametrize("has_voice", [True, False])
def test_rows_wait_for_those_before_them(has_voice: bool, tmp_path: Path) -> None:
    write_speech_bundle(tmp_path)
    settings = Settings(model_dirs=[tmp_path])
    (bundle,) = Registry.load(settings).bundles
    model = EmotionModel(bundle, Session(bundle.path(), device="cpu"), 1)
    windows = Windows(np.array([0, 100]), 200, 100)
    clip, no_parts, no_utterances = np.zeros(200, np.float32), np.zeros((0, 2), np.int64), Utterances.of([])
    heard = [
        (name, HeardWindows(windows, np.array(shares, np.float32), [clip], [0], no_parts, no_utterances, Steps.none()))
        for name, shares in (("left", [0.25, 0]), ("right", [0, 1]))
    ]
    rows = TimelineRows(heard, 5.0, model, has_voice=has_voice, first=7)
    answers: list[dict[str, np.ndarray] | None] = [None, {}]
    assert list(rows.known(answers)) == []
    answers = [{"arousal": np.array(0.5, np.float32)}, None]
    told = list(rows.known(answers))
    assert len(told) == 3
    answers[1] = {}
    told += rows.known(answers)
    assert [(each.channel, each.index, each.start_s, each.end_s, each.arousal) for each in told] == [
        ("left", 7, 5.0, 7.0, 0.5),
        ("left", 8, 6.0, 8.0, None),
        ("right", 7, 5.0, 7.0, None),
        ("right", 8, 6.0, 8.0, None),
    ]
    assert [each.speech for each in told] == ([0.25, 0.0, 0.0, 1.0] if has_voice else [None] * 4)
    assert [each.confidence for each in told] == ([0.5, 0.0, 0.0, 1.0] if has_voice else [None] * 4)  # windows of 2 s
    assert list(rows.known(answers)) == []
