"""The check of each parameter, which HTTP, streams, jobs and the command line share."""

import math

import pytest

from service.card import SpeechInput
from service.pipeline.face.neutral import read_made_neutral, read_neutral
from service.pipeline.options import check_hop, check_range, check_window, read_face, read_include
from service.problems import Unprocessable

SPEECH = SpeechInput(sample_rate_hz=16000, window_s=2, hop_s=1, min_length_s=0.1, max_length_s=10, preset="none")


@pytest.mark.parametrize(
    ("check", "arguments", "pointer"),
    [
        (check_range, (-1.0, None), "/start_s"),
        (check_range, (math.nan, None), "/start_s"),
        (check_range, (math.inf, None), "/start_s"),
        (check_range, (2.0, 2.0), "/end_s"),
        (check_range, (None, 0.0), "/end_s"),
        (check_range, (None, math.nan), "/end_s"),
        (check_range, (None, math.inf), "/end_s"),
        (check_hop, (0.049, 0.05), "/hop_s"),
        (check_hop, (math.nan, 0.05), "/hop_s"),
        (check_hop, (math.inf, 0.05), "/hop_s"),
        (check_window, (0.09, SPEECH), "/window_s"),
        (check_window, (10.1, SPEECH), "/window_s"),
        (check_window, (math.nan, SPEECH), "/window_s"),
        (read_face, ("smallest",), "/face"),
        (read_face, ("-1",), "/face"),
        (read_face, ("1234567",), "/face"),
        (read_face, ("١",), "/face"),
        (read_include, (["gaze"], ("audio",)), "/include"),
        (read_neutral, ("mean",), "/neutral"),
        (read_neutral, ("2:1",), "/neutral"),
        (read_neutral, ("1:1",), "/neutral"),
        (read_neutral, ("0:1e9",), "/neutral"),
        (read_neutral, ("0:nan",), "/neutral"),
        (read_made_neutral, ("none",), "/neutral"),
        (read_made_neutral, ("document",), "/neutral"),
    ],
)
def test_what_cannot_be_is_refused_with_its_pointer(check, arguments, pointer):
    with pytest.raises(Unprocessable) as caught:
        check(*arguments)
    assert caught.value.pointer == pointer


def test_what_can_be_passes():
    for start_s, end_s in ((None, None), (0.0, None), (None, 0.1), (1.0, 1.1)):
        check_range(start_s, end_s)
    for hop_s in (None, 0.05, 3600.0):
        check_hop(hop_s, 0.05)
    for window_s in (None, 0.1, 10.0):
        check_window(window_s, SPEECH)
    assert [read_face(text) for text in ("largest", "0", "007")] == ["largest", "0", "7"]
    assert read_include([" audio", "", "audio "], ("audio", "boxes")) == {"audio"}
    assert read_neutral("0.5:2") == read_neutral("0.50:2.0")
    assert [read_neutral(text).kind for text in ("median", "none", "0:1")] == ["median", "none", "stretch"]
