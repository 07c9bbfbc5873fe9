import csv
import io
from dataclasses import replace

import numpy as np
import orjson
import pytest

from service.pipeline.affect.attribution import Moment
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.looks import ExpressionColumns, ExpressionSeries
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import FlagSpan
from service.pipeline.video.video_results import VideoAffect
from service.render.attribution_plot import rows_that_matter
from service.render.csv import video_affect_csv
from service.render.looks_panels import LooksPanels
from service.render.plot_page import DOTS_PER_INCH, FOOTER_LINE
from service.render.plot_style import DARK, LIGHT
from service.render.video_json import UNCERTAINTIES, video_affect_json
from service.render.video_panels import face_timeline
from service.render.video_words import (
    PRIOR_NOTE,
    TRAINED_NOTE,
    facts_of,
    feature_in_words,
    footnotes,
    moment_in_words,
    seen_in_words,
    unit_in_words,
)
from service.schemas.video import VideoAffectAnswer
from tests.support.example_affect import example_affect
from tests.support.pictures import (
    affect_png,
    attribution_png,
    audio_emotion_png,
    count,
    ink_of,
    mask,
    pixels,
    video_affect_png,
)

EVERYTHING = frozenset({"action_units", "attribution", "audio"})
LOST = example_affect(100, gaps=((0, 100),))


def rows_of(result: VideoAffect) -> list[list[str]]:
    return list(csv.reader(io.StringIO(video_affect_csv(result), newline="")))


def test_json_is_what_the_schema_says_and_null_where_no_face_is() -> None:
    result = example_affect(50, gaps=((10, 20),), audio=True)
    document = orjson.loads(orjson.dumps(video_affect_json(result, "id", EVERYTHING)))
    answer = VideoAffectAnswer.model_validate(document)
    assert answer.timeline.valence[10:20] == [None] * 10
    assert None not in answer.timeline.valence[20:]
    assert answer.timeline.arousal[0] == pytest.approx(float(result.arousal[0]), abs=1e-6)
    assert answer.summary.valence is not None
    assert answer.summary.valence.mean == pytest.approx(result.summary["valence"].mean, abs=1e-6)
    assert answer.action_units is not None
    assert answer.action_units["AU12"][10] is None
    assert answer.audio is not None
    assert answer.audio.timeline is not None


def test_rounded_cells_still_add_up() -> None:
    result = example_affect(50)
    assert result.attribution is not None
    cells = video_affect_json(result, "id", EVERYTHING)["attribution"]["arousal"]
    assert sum(map(sum, cells)) == pytest.approx(float(result.attribution.arousal_by_feature.sum()), abs=1e-5)


def test_moments_are_told_in_words() -> None:
    result = example_affect(100)
    assert result.attribution is not None
    told = video_affect_json(result, "id", EVERYTHING)["attribution"]["moments"]
    assert told["words"] == ["lips apart", "lip corners pulled up", "brows lowered"]
    words = [moment_in_words(moment) for moment in result.attribution.moments]
    assert words[2] == "brows lowered, from 0:05 to 0:08"
    assert moment_in_words(Moment("arousal", "AU05_deviation", 7.1, 7.4, 0.1)) == "eyes wide open, on and off, at 0:07"
    assert len({seen_in_words(column) for column in COLUMNS if not column.endswith("deviation")}) == 19


def test_rows_that_hardly_matter_are_one() -> None:
    parts = example_affect().attribution
    assert parts is not None
    sums = np.zeros(37)
    sums[[3, 8, 14]] = 0.5, -0.3, 0.05
    few = replace(parts, arousal_by_feature=sums, valence_by_feature=np.zeros(37))
    assert {3, 8} <= set(rows_that_matter(few).tolist()) < {0, 3, 8, 14}


def test_asked_for_and_not_there_is_null() -> None:
    document = video_affect_json(LOST, "id", EVERYTHING)
    untold = replace(example_affect(5), arousal_uncertainty=None)
    assert video_affect_json(untold, "id", frozenset())["timeline"]["arousal_uncertainty"] is None
    assert rows_of(untold)[1][-2] == ""
    assert video_affect_png(replace(untold, valence_uncertainty=None)) != video_affect_png(example_affect(5))
    assert document["attribution"] is None
    assert document["audio"] is None
    assert document["summary"] == {"arousal": None, "valence": None}
    assert "no_face" in document["flags"]
    assert video_affect_json(example_affect(5, speech=False), "id", frozenset())["timeline"]["speech"] is None


def test_csv_has_a_row_a_step_and_empty_cells() -> None:
    result = example_affect(30, gaps=((3, 6),))
    rows = rows_of(result)
    assert rows[0] == [
        "time_s",
        "arousal",
        "valence",
        "face_confidence",
        "speech",
        *ACTION_UNITS,
        "flags",
        *UNCERTAINTIES,
    ]
    assert len(rows) == 31
    assert rows[4][:4] == ["0.3", "", "", "0.0"]
    assert rows[4][5:22] == [""] * 17
    assert rows[4][23:] == [""] * 2
    assert float(rows[1][24]) == pytest.approx(float(result.valence_uncertainty[0]), abs=1e-6)
    lost = [bool(row[22]) for row in rows_of(replace(result, flag_spans=(FlagSpan("face_lost", 0.3, 0.5),)))[1:]]
    assert np.flatnonzero(lost).tolist() == [3, 4, 5]
    assert float(rows[1][2]) == pytest.approx(float(result.valence[0]), abs=1e-6)
    plain = rows_of(example_affect(3, units=False, speech=False))
    assert [len(row) for row in plain] == [8] * 4
    assert [row[4] for row in plain[1:]] == [""] * 3


CASES = {
    "usual": example_affect(200, gaps=((60, 90),)),
    "one step": example_affect(1),
    "no face": LOST,
    "no units, no sound": example_affect(40, units=False, speech=False),
    "an hour": example_affect(36_000, gaps=((9000, 12_000),)),
}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_picture_over_time_fills_its_page(name: str, dark: bool) -> None:
    assert_fills_page(video_affect_png(CASES[name], dark=dark), dark)


@pytest.mark.parametrize("dark", [False, True])
def test_picture_of_attribution_fills_its_page(dark: bool) -> None:
    assert_fills_page(attribution_png(example_affect(), dark=dark), dark)


def assert_fills_page(picture: bytes, dark: bool) -> None:
    inked = ink_of(pixels(picture), dark)
    assert 500 < len(inked) < 1700
    assert inked[: int(0.1 * len(inked))].any()
    assert inked[int(0.9 * len(inked)) :].any()


def test_grey_grows_with_the_time_without_face() -> None:
    few, many = (
        count(pixels(video_affect_png(example_affect(100, gaps=((0, end),)))), LIGHT.silence) for end in (20, 60)
    )
    assert many == pytest.approx(3 * few, rel=0.1)
    assert count(pixels(video_affect_png(example_affect(100))), LIGHT.silence) < 100


def test_strong_units_are_dark_and_in_their_own_row() -> None:
    result = example_affect(100)

    def darkest_row(index: int) -> float:
        units = np.zeros((100, 17), np.float32)
        units[:, index] = 5
        image = pixels(video_affect_png(replace(result, action_units=units)))[:, 300:1100]
        return float(np.nonzero(mask(image, LIGHT.intensity[-1], tolerance=2))[0].mean())

    places = [darkest_row(index) for index in (0, 8, 16)]
    assert places == sorted(places)
    assert places[1] == pytest.approx((places[0] + places[2]) / 2, abs=12)


@pytest.mark.parametrize(("sign", "colour"), [(1, LIGHT.raises), (-1, LIGHT.lowers)])
def test_bars_point_to_their_side(sign: int, colour: str) -> None:
    result = example_affect()
    parts = result.attribution
    assert parts is not None
    sums = np.zeros(37)
    sums[COLUMNS.index("AU12_mean")] = 0.3 * sign
    nothing = np.zeros_like(parts.arousal)
    nothing[COLUMNS.index("AU12_mean"), 10] = 0.3 * sign
    only = replace(parts, arousal=nothing, valence=nothing, arousal_by_feature=sums, valence_by_feature=sums)
    image = pixels(attribution_png(replace(result, attribution=only)))
    bars = [count(image, one) for one in (LIGHT.raises, LIGHT.lowers)]
    assert (bars if sign > 0 else bars[::-1])[1] < 200 < count(image, colour)


def test_no_attribution_known_draws_the_time_instead() -> None:
    assert affect_png(LOST, EVERYTHING) == video_affect_png(LOST)
    usual = CASES["usual"]
    assert affect_png(usual, frozenset({"attribution"})) == attribution_png(usual)
    assert affect_png(usual, frozenset()) == video_affect_png(usual)


def test_all_that_is_asked_for_stands_in_one_picture() -> None:
    result = example_affect(100, audio=True)
    assert result.audio is not None
    title = "Emotion in the voice of the sound track"
    parts = [video_affect_png(result), attribution_png(result), audio_emotion_png(result.audio, title=title)]
    whole = pixels(affect_png(result, EVERYTHING))
    np.testing.assert_array_equal(whole, np.concatenate([pixels(part) for part in parts]))


def boxes(steps: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 0.5, (steps, 4)).astype(np.float32)


def test_csv_holds_the_sound_track_and_the_boxes() -> None:
    result = replace(example_affect(60, units=False, audio=True), boxes=boxes(60))
    assert result.audio is not None
    head, *rows = rows_of(result)
    labels = [f"audio_{label}" for label in result.audio.labels]
    sides = ["box_x", "box_y", "box_width", "box_height"]
    assert head[5:] == [*sides, "audio_emotion", *labels, "audio_arousal", "audio_valence", "flags", *UNCERTAINTIES]
    timeline = result.audio.channels[0].timeline
    middles = (timeline.start_s + timeline.end_s) / 2
    told = 0
    for index, row in enumerate(rows):
        np.testing.assert_allclose([float(cell) for cell in row[5:9]], result.boxes[index], atol=1e-4)
        window = int(np.argmin(np.abs(middles - index / 10)))
        inside = timeline.start_s[window] <= index / 10 <= timeline.end_s[window]
        if not inside or np.isnan(timeline.probabilities[window]).any():
            assert not any(row[10 : 10 + len(labels)])
            continue
        expected = timeline.probabilities[window]
        np.testing.assert_allclose([float(cell) for cell in row[10 : 10 + len(labels)]], expected, atol=1e-5)
        told += 1
    assert told > 20


def test_csv_ends_with_the_dominance_of_the_voice_where_it_is_told() -> None:
    result = example_affect(50, audio=True)
    assert result.audio is not None
    (channel,) = result.audio.channels
    timeline = replace(channel.timeline, dominance=-channel.timeline.valence)
    audio = replace(result.audio, channels=(replace(channel, timeline=timeline),))
    header, *rows = rows_of(replace(result, audio=audio))
    plain, *_ = rows_of(result)
    assert header == [*plain, "audio_dominance"]
    valence = header.index("audio_valence")
    known = [(float(row[valence]), float(row[-1])) for row in rows if row[valence]]
    assert len(known) > 10
    assert [value for _, value in known] == [-value for value, _ in known]


def test_frames_and_boxes_are_null_where_the_face_is_not() -> None:
    result = example_affect(20)
    tracked = np.arange(50) % 5 > 0
    units = np.random.default_rng(1).uniform(0, 5, (50, 17))
    frames = FaceSeries(np.arange(50) / 25, np.where(tracked, 0.98, 0.0), units, tracked)
    unseen = boxes(20)
    unseen[3:6] = np.nan
    document = video_affect_json(
        replace(result, frames=frames, boxes=unseen), "id", frozenset({"boxes", "frame_units"})
    )
    answer = VideoAffectAnswer.model_validate(orjson.loads(orjson.dumps(document)))
    assert answer.frame_units is not None
    assert answer.boxes is not None
    assert [value is None for value in answer.frame_units["AU12"]] == (~tracked).tolist()
    assert answer.frame_units["AU12"][1] == pytest.approx(units[1, ACTION_UNITS.index("AU12")], abs=1e-3)
    assert [value is None for value in answer.boxes.width] == [3 <= index < 6 for index in range(20)]


def test_pictures_say_how_to_read_them() -> None:
    assert footnotes(example_affect(5))[0] == PRIOR_NOTE
    assert footnotes(example_affect(5, trained="a corpus"))[0] == TRAINED_NOTE
    assert "affect-prior" in footnotes(example_affect(5))[1]
    for note in (PRIOR_NOTE, TRAINED_NOTE):
        assert "not a diagnosis" in note
    assert facts_of(LOST) == ["0:10.0", "no face found"]
    assert facts_of(example_affect(100, gaps=((0, 25),)))[-1] == "face known in 75 % of the time"


def test_names_are_in_words() -> None:
    assert unit_in_words("AU12") == "AU12 lip corner puller"
    assert all(" " in unit_in_words(unit) for unit in ACTION_UNITS)
    assert feature_in_words("AU45_deviation") == "AU45 blink, movement"
    assert feature_in_words("turn") == "person speaks"
    assert len({feature_in_words(column) for column in COLUMNS}) == 37


def test_long_recordings_are_pooled_with_their_gaps() -> None:
    timeline = face_timeline(CASES["an hour"])
    assert len(timeline.start_s) == 1200
    assert np.isnan(timeline.probabilities).any(axis=1).mean() == pytest.approx(1 / 12, abs=0.01)


def test_what_a_network_saw_stands_beside_the_timeline() -> None:
    columns = ExpressionColumns(has_plane=True, labels=("anger", "joy"), action_units=("AU12",))
    values = np.tile(np.array([0.25, -0.5, 0.9, 0.1, 4.5], np.float32), (50, 1))
    values[10:20] = np.nan
    result = replace(example_affect(50, gaps=((10, 20),)), expression=ExpressionSeries(columns, values))
    include = frozenset({"expression"})
    answer = VideoAffectAnswer.model_validate(orjson.loads(orjson.dumps(video_affect_json(result, "id", include))))
    seen = answer.expression
    assert seen is not None
    assert (seen.valence[0], seen.arousal[0], seen.labels) == (0.25, -0.5, ["anger", "joy"])
    assert seen.probabilities == {"anger": seen.probabilities["anger"], "joy": seen.probabilities["joy"]}
    assert seen.probabilities["anger"][9:11] == [pytest.approx(0.9), None]
    assert seen.action_units["AU12"][0] == 4.5
    header, *rows = rows_of(result)
    names = ["expression_valence", "expression_arousal", "expression_anger", "expression_joy", "expression_AU12"]
    assert header[-5:] == names
    assert rows[0][-5:] == ["0.25", "-0.5", "0.9", "0.1", "4.5"]
    assert rows[10][-5:] == [""] * 5
    units = ExpressionSeries(ExpressionColumns(has_plane=False, labels=(), action_units=("AU12",)), values[:, 4:])
    document = video_affect_json(replace(result, expression=units), "id", include)["expression"]
    assert (document["valence"], document["probabilities"], document["labels"]) == (None, None, [])


@pytest.mark.parametrize("dark", [False, True])
def test_a_plot_has_panels_of_what_a_network_saw(dark: bool) -> None:
    result = example_affect(100, gaps=((20, 40),), expression=True)
    seen = result.expression
    assert seen is not None
    style = DARK if dark else LIGHT
    picture = video_affect_png(result, dark=dark)
    assert_fills_page(picture, dark)
    for index in range(2):  # each class leads somewhere
        assert count(pixels(picture), style.class_colour(index)) > 500
    heights = [len(pixels(video_affect_png(result)))]
    for has_plane, labels, units in ((True, (), ()), (False, ("anger", "joy"), ()), (False, (), ("AU12",))):
        columns = ExpressionColumns(has_plane, labels, units)
        one = ExpressionSeries(columns, np.full((100, columns.width), 0.5, np.float32))
        heights.append(len(pixels(video_affect_png(replace(result, expression=one)))))
    heights.append(len(pixels(video_affect_png(replace(result, expression=None)))))
    bare = heights[-1] + round(FOOTER_LINE * DOTS_PER_INCH)  # with the line that names the network
    assert heights[0] - bare == pytest.approx(sum(height - bare for height in heights[1:-1]), abs=3)
    assert LooksPanels(result, seen).origin.startswith("Published network looks, version 1 (sha256 ")
