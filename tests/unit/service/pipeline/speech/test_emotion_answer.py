"""Rows of a timeline are told in their order, each as soon as it is judged."""

from __future__ import annotations

import numpy as np
import pytest

from service.pipeline.speech.emotion_answer import TimelineRows
from service.pipeline.speech.listener import HeardWindows
from service.pipeline.speech.windows import Windows


@pytest.mark.parametrize("has_voice", [True, False])
def test_rows_wait_for_those_before_them(has_voice: bool) -> None:
    windows = Windows(np.array([0, 100]), 200, 100)
    heard = [
        (name, HeardWindows(windows, np.array(shares, np.float32), [np.zeros(200, np.float32)], np.zeros(0, np.bool_)))
        for name, shares in (("left", [1, 0]), ("right", [0, 1]))
    ]
    rows = TimelineRows(heard, 5.0, has_voice=has_voice, first=7)
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
    assert [each.speech for each in told] == ([1.0, 0.0, 0.0, 1.0] if has_voice else [None] * 4)
    assert list(rows.known(answers)) == []
