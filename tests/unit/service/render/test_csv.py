import csv
import io
from dataclasses import replace

import pytest

from service.pipeline.results import FlagSpan
from service.render.csv import audio_emotion_csv, csv_text
from tests.support.example_results import SIX_LABELS, example_result


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_one_row_a_window_below_the_header() -> None:
    result = example_result(5)
    rows = parsed(audio_emotion_csv(result))
    assert rows[0] == [
        "channel",
        "start_s",
        "end_s",
        "emotion",
        *SIX_LABELS,
        "arousal",
        "valence",
        "speech",
        "confidence",
        "plausible",
        "flags",
    ]
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(rows[0])}
    timeline = result.channels[0].timeline
    for index, row in enumerate(rows[1:]):
        assert row[0] == "mix"
        assert float(row[1]) == timeline.start_s[index]
        assert [float(cell) for cell in row[4:10]] == pytest.approx(timeline.probabilities[index].tolist(), abs=1e-6)
        assert row[3] == SIX_LABELS[int(timeline.probabilities[index].argmax())]


def test_lines_end_as_rfc_4180_says() -> None:
    text = audio_emotion_csv(example_result(2))
    assert text.count("\r\n") == text.count("\n") == 3
    assert text.endswith("\r\n")


def test_null_is_an_empty_cell() -> None:
    rows = parsed(audio_emotion_csv(example_result(5, gaps=((1, 2),))))
    assert rows[2][3:12] == [""] * 9
    assert rows[2][12] != ""
    assert "nan" not in audio_emotion_csv(example_result(5, gaps=((0, 5),), affect=False))


def test_channels_follow_each_other() -> None:
    rows = parsed(audio_emotion_csv(example_result(3, channels=("0", "1"))))
    assert [row[0] for row in rows[1:]] == ["0", "0", "0", "1", "1", "1"]


def test_a_row_has_the_flags_that_hold_in_a_part_of_it() -> None:
    result = example_result(4, channels=("0", "1"))
    start_s, end_s = (
        column.tolist() for column in (result.channels[0].timeline.start_s, result.channels[0].timeline.end_s)
    )
    spans = (
        FlagSpan("sound_gap", start_s[1] + 0.5, start_s[1] + 0.6),
        FlagSpan("clipped", end_s[0], 1000.0, channel="1"),
    )
    rows = parsed(audio_emotion_csv(replace(result, flag_spans=spans)))[1:]
    for number, row in enumerate(rows):
        begin, end, is_right = start_s[number % 4], end_s[number % 4], number >= 4
        gap = ["sound_gap"] * (begin < start_s[1] + 0.6 and end > start_s[1] + 0.5)
        clipped = ["clipped"] * (is_right and end > end_s[0])
        assert row[-1].split() == gap + clipped
    assert {row[-1] for row in rows} >= {"sound_gap", "sound_gap clipped"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_are_defused(text: str) -> None:
    assert parsed(csv_text([[text, -0.5]])) == [["'" + text, "-0.5"]]


def test_labels_with_separators_survive() -> None:
    labels = ("=cmd", 'say "so"', "a,b")
    result = replace(example_result(1, labels), labels=labels)
    assert parsed(audio_emotion_csv(result))[0][4:7] == ["'=cmd", 'say "so"', "a,b"]
