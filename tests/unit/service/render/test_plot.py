import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from service.pipeline.results import AudioEmotion, Segments, VoiceTrace
from service.render.plot_style import LIGHT, clock, one_line, percent, signed, time_ticks
from service.render.plot_timeline import cell_edges_s, pooled, unknown_spans_s, utterances
from tests.support.example_results import NINE_LABELS, SIX_LABELS, example_result, example_timeline
from tests.support.pictures import audio_emotion_png, count, ink_of, mask
from tests.support.pictures import pixels as pixels_of

WIDTH_PIXELS = 1320


def pixels(result: AudioEmotion, **options: object) -> np.ndarray:
    """uint8 [height, width, 3]."""
    return pixels_of(audio_emotion_png(result, **options))


CASES = {
    "one window": example_result(1),
    "one window of silence": example_result(1, gaps=((0, 1),)),
    "one window without affect": example_result(1, affect=False),
    "one window, each channel": example_result(1, channels=("0", "1")),
    "twelve windows": example_result(12),
    "gaps": example_result(12, gaps=((3, 6), (8, 9))),
    "ten minutes, nine classes": example_result(600, NINE_LABELS, gaps=((100, 160),)),
    "each channel": example_result(40, channels=("0", "1"), gaps=((10, 20),)),
    "silence": example_result(30, gaps=((0, 30),)),
    "no affect": example_result(30, affect=False),
    "most windows": example_result(20_000, hop_s=0.18),
}


@pytest.mark.parametrize(("name", "dark"), [*((name, False) for name in CASES), ("gaps", True), ("one window", True)])
def test_every_kind_of_result_fills_the_page(name: str, dark: bool) -> None:
    inked = ink_of(pixels(CASES[name], dark=dark), dark)
    height = len(inked)
    assert 500 < height < 2500
    for top, bottom in ((0.0, 0.12), (0.12, 0.3), (0.3, 0.6), (0.6, 0.88), (0.9, 1.0)):
        region = inked[int(top * height) : int(bottom * height)]
        assert region.mean() > 0.005, f"nothing between {top} and {bottom}"


def test_leading_class_shows_in_its_full_colour() -> None:
    result = example_result(12)
    image = pixels(result)
    leaders = set(np.argmax(result.channels[0].timeline.probabilities, axis=1).tolist())
    for index in range(len(SIX_LABELS)):
        shown = count(image, LIGHT.class_colour(index))
        assert (shown > 500) == (index in leaders), SIX_LABELS[index]


def test_unknown_times_are_grey_in_proportion() -> None:
    none, some, all_of_it = (
        count(pixels(example_result(20, gaps=gaps)), LIGHT.silence) for gaps in ((), ((5, 10),), ((0, 20),))
    )
    assert none < 100
    assert some == pytest.approx(all_of_it * 5 / 21, rel=0.1)


def test_bars_are_as_long_as_probabilities() -> None:
    result = example_result(1)
    channel = result.channels[0]
    probabilities = np.array([0.8, 0.2, 0, 0, 0, 0], np.float32)
    longer = replace(result, channels=(replace(channel, probabilities=probabilities, emotion="anger"),))
    half = replace(longer, channels=(replace(longer.channels[0], probabilities=probabilities / 2),))
    colour = LIGHT.class_colour(0)
    assert count(pixels(longer), colour) == pytest.approx(2 * count(pixels(half), colour), rel=0.02)


def test_arousal_line_is_where_it_should_be() -> None:
    result = example_result(12)
    channel = result.channels[0]

    def rows(level: float) -> float:
        timeline = replace(channel.timeline, arousal=np.full(12, level, np.float32))
        image = pixels(replace(result, channels=(replace(channel, timeline=timeline),)))
        left_of_margin = image[:, : WIDTH_PIXELS - 170]
        return float(np.nonzero(mask(left_of_margin, LIGHT.arousal))[0].mean())

    top, middle, bottom = rows(1.0), rows(0.0), rows(-1.0)
    assert top < middle < bottom
    assert middle == pytest.approx((top + bottom) / 2, abs=1.5)


@pytest.mark.parametrize("windows", [1, 12])
def test_dominance_is_drawn_where_the_model_tells_it(windows: int) -> None:
    plain = example_result(windows)
    (channel,) = plain.channels
    timeline = replace(channel.timeline, dominance=-channel.timeline.valence)
    told = replace(plain, channels=(replace(channel, timeline=timeline, dominance=-channel.valence),))
    assert count(pixels(plain), LIGHT.dominance) == 0
    assert count(pixels(told), LIGHT.dominance) > 100


def test_channels_make_the_page_longer() -> None:
    one, two = (pixels(example_result(20, channels=names)).shape[0] for names in (("0",), ("0", "1")))
    assert two > one + 300


def test_title_is_text_and_nothing_else() -> None:
    plain = audio_emotion_png(example_result(3))
    for title in ("$x^2$ and $\\frac", "line\nline\x1b[31m", "x" * 500, "<b>&amp;"):
        assert audio_emotion_png(example_result(3), title=title) != plain


def test_threads_draw_the_same_pictures() -> None:
    results = [example_result(windows, channels=("0",)) for windows in (1, 5, 12)] * 2
    alone = [audio_emotion_png(result) for result in results]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(audio_emotion_png, results)) == alone


def test_global_state_of_pyplot_is_never_made() -> None:
    program = (
        "import sys; from tests.support.pictures import audio_emotion_png;"
        "from tests.support.example_results import example_result; audio_emotion_png(example_result(1));"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_picture_tells_no_software_or_time() -> None:
    picture = audio_emotion_png(example_result(1))
    assert b"matplotlib" not in picture.lower()
    assert b"tEXt" not in picture


def test_pooling_keeps_times_means_and_gaps() -> None:
    timeline = example_timeline(20_000, SIX_LABELS, hop_s=0.5, window_s=0.5, gaps=((4000, 8000),))
    fewer = pooled(timeline)
    assert len(fewer.start_s) == 1200
    assert fewer.start_s[0] == 0
    assert fewer.end_s[-1] == timeline.end_s[-1]
    assert np.nanmean(fewer.probabilities, axis=0) == pytest.approx(
        np.nanmean(timeline.probabilities, axis=0), abs=0.01
    )
    ((start_s, end_s),) = unknown_spans_s(fewer)
    assert (start_s, end_s) == pytest.approx((2000, 4000), abs=20)
    short = example_timeline(5, SIX_LABELS)
    assert pooled(short) is short


def test_cells_meet_halfway_in_the_overlap() -> None:
    timeline = example_timeline(3, SIX_LABELS, hop_s=1.0, window_s=2.0)
    assert cell_edges_s(timeline).tolist() == [0.0, 1.5, 2.5, 4.0]


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [
        (0, 0, "0:00"),
        (2.5, 0, "0:03"),
        (61.4, 0, "1:01"),
        (59.96, 1, "1:00.0"),
        (3725, 0, "1:02:05"),
        (2.25, 2, "0:02.25"),
    ],
)
def test_clock(seconds: float, decimals: int, text: str) -> None:
    assert clock(seconds, decimals) == text


@pytest.mark.parametrize("span_s", [0.1, 1, 2.5, 13, 59, 601, 3600, 86_400])
def test_ticks_are_few_distinct_and_inside(span_s: float) -> None:
    ticks, names = time_ticks(5.0, 5.0 + span_s)
    assert 1 <= len(ticks) <= 13
    assert len(set(names)) == len(names)
    assert ticks[0] >= 5.0 - 1e-6
    assert ticks[-1] <= 5.0 + span_s + 1e-6


def test_numbers_in_words() -> None:
    assert [percent(share) for share in (0, 0.004, 0.5, 1)] == ["0 %", "<1 %", "50 %", "100 %"]
    assert [signed(value) for value in (-0.5, 0.25, -0.001)] == ["−0.50", "+0.25", "0.00"]
    assert one_line("a\n\tb\u202ec", 10) == "a b c"
    assert len(one_line("x" * 200, 90)) == 90


def test_utterances_are_blocks_in_grey_and_those_of_little_voice_are_pale() -> None:
    def drawn(confidence: float) -> np.ndarray:
        level = np.array([confidence, 1.0], np.float32)
        sure = np.eye(6, dtype=np.float32)[[0, 1]]
        segments = Segments(
            np.array([1.0, 6.0]), np.array([3.0, 8.0]), sure, None, None, level, level, level, level < 0
        )
        result = example_result(12, affect=False)
        return pixels(replace(result, channels=(replace(result.channels[0], segments=segments),)), segments=True)

    full, pale = drawn(1.0), drawn(0.2)
    windows = pixels(example_result(12, affect=False), segments=True)  # utterances are not known: windows are drawn
    first, second = LIGHT.class_colour(0), LIGHT.class_colour(1)
    assert count(full, first) == pytest.approx(count(full, second), rel=0.05)
    assert count(pale, first) == 0 < count(pale, second)
    assert count(full, LIGHT.silence) > 100_000 > count(windows, LIGHT.silence)


def test_voice_activity_is_drawn_at_its_own_steps() -> None:
    result = example_result(12)
    trace = VoiceTrace(0.0, 0.032, np.zeros(400, np.float32))
    silent = replace(result, channels=(replace(result.channels[0], voice_activity=trace),))
    loud = replace(
        result,
        channels=(replace(result.channels[0], voice_activity=replace(trace, probabilities=1 + trace.probabilities)),),
    )
    waves = [count(pixels(one, voice_activity=True), LIGHT.wave) for one in (silent, result, loud)]
    assert waves[0] < waves[1] < waves[2]
    assert count(pixels(silent), LIGHT.wave) == waves[1]


def test_a_recording_without_utterances_is_one_pause() -> None:
    nothing = np.zeros(0, np.float32)
    columns = {"speech": nothing, "speech_level_db": nothing, "confidence": nothing, "uncertain": nothing > 0}
    segments = Segments(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.float32), None, None, **columns)
    rows = utterances(segments, (0.0, 4.0))
    assert (rows.start_s.tolist(), rows.end_s.tolist()) == ([0.0], [4.0])
    assert np.isnan(rows.probabilities).all()
