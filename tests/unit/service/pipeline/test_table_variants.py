"""Drawn variants of tables of action units: each answer is checked by arithmetic from how its table was made."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from service.flags import Flag
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.video.video_results import TableOptions
from service.problems import FeaturesInvalid
from tests.support.work import patient
from tests.unit.service.pipeline.test_video_pipeline import build, closing

VARIANTS = range(50)
NAMES = ["frame", "timestamp", "confidence", "success", *(f"{unit}_r" for unit in ACTION_UNITS)]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    yield from closing(build(tmp_path_factory.mktemp("nothing")))


@dataclass
class Made:
    """A table as numbers, before it is written."""

    frames: np.ndarray
    stamps_s: np.ndarray
    seen: np.ndarray
    units: np.ndarray

    @property
    def rows(self):
        return len(self.frames)


def draw(rng):
    rows, rate_hz = int(rng.integers(40, 160)), float(rng.choice([10.0, 25.0, 29.97, 50.0]))
    steps = np.arange(rows)
    units = np.clip(2.5 + 2 * np.sin(steps[:, None] / rng.uniform(3, 20, 17)), 0, 5).round(2)
    return Made(steps + 1, np.round(steps / rate_hz, 3), np.ones(rows, bool), units), rate_hz


def written(made, *, delimiter=",", comma=False, absent="", stamps=None, drop=False, stamp_text=None):
    """The bytes of a table; numbers of lost rows become ``absent``, or the row goes with ``drop``."""
    stamps = made.stamps_s if stamps is None else stamps
    lines = [delimiter.join(NAMES)]
    for row in range(made.rows):
        seen = bool(made.seen[row])
        if drop and not seen:
            continue
        numbers = [f"{value:.2f}" for value in made.units[row]] if seen else [absent] * len(ACTION_UNITS)
        stamp = f"{stamps[row]:.3f}" if stamp_text is None else stamp_text
        cells = [str(made.frames[row]), stamp, "0.98" if seen else "0.02", str(int(seen)), *numbers]
        lines.append(delimiter.join(cell.replace(".", ",") if comma else cell for cell in cells))
    return ("\n".join(lines) + "\n").encode()


def answer_of(tables, content, **options):
    return tables.analyse_table(content, TableOptions(**options), patient())


def assert_same(answer, clean):
    np.testing.assert_allclose(answer.time_s, clean.time_s)
    for name in ("arousal", "valence", "face_confidence"):
        np.testing.assert_allclose(getattr(answer, name), getattr(clean, name), atol=1e-5)
    assert answer.flags == clean.flags


def test_time_counts_from_the_first_row_and_the_offset_is_told(tables):
    for seed in VARIANTS:
        rng = np.random.default_rng(seed)
        made, rate_hz = draw(rng)
        offset_s = float(np.round(rng.choice([0.033, 7.5, 100, 4000, 86_399.5, 1.79e9, -3.25]) + rng.uniform(0, 1), 3))
        clean = answer_of(tables, written(made))
        answer = answer_of(tables, written(made, stamps=made.stamps_s + offset_s))
        assert answer.media.offset_s == pytest.approx(offset_s)
        assert answer.media.duration_s == pytest.approx(made.stamps_s[-1], abs=1e-6)
        assert_same(answer, clean)
        counted = answer_of(tables, written(made, stamps=made.stamps_s + offset_s), fps=rate_hz)
        assert counted.media.offset_s == pytest.approx(offset_s)
        assert counted.media.duration_s == pytest.approx((made.rows - 1) / rate_hz)
        assert np.isfinite(counted.arousal).all()


def test_fps_replaces_a_column_of_any_content(tables):
    for seed in VARIANTS:
        rng = np.random.default_rng(seed)
        made, rate_hz = draw(rng)
        fps = float(rng.uniform(5, 200))
        text = str(rng.choice(["inf", "nan", "", "-inf", "1e999", "00:00:01", "never", "0.000", "7"]))
        made = replace(made, frames=made.frames + int(rng.integers(0, 5000)))
        answer = answer_of(tables, written(made, stamp_text=text), fps=fps)
        assert answer.media.duration_s == pytest.approx((made.rows - 1) / fps)
        assert answer.media.frame_rate_hz == pytest.approx(fps)
        assert len(answer.time_s) == int((made.rows - 1) / fps * 10 + 1e-5) + 1
        assert np.isfinite(answer.arousal).all()
        first_s = float(text) if text in ("0.000", "7") else (made.frames[0] - 1) / fps
        assert answer.media.offset_s == pytest.approx(first_s)
        assert rate_hz > 0


def test_tables_of_every_writing_are_read_alike(tables):
    for seed in VARIANTS:
        rng = np.random.default_rng(seed)
        made, _ = draw(rng)
        delimiter, comma = [("\t", False), ("\t", True), (";", False), (";", True)][seed % 4]
        assert_same(
            answer_of(tables, written(made, delimiter=delimiter, comma=comma)), answer_of(tables, written(made))
        )


def test_a_decimal_comma_between_commas_is_named(tables):
    made, _ = draw(np.random.default_rng(0))
    with pytest.raises(FeaturesInvalid, match="decimal comma"):
        answer_of(tables, written(made, comma=True))


def lose(rng, made):
    """Some stretches without the face; each is longer than a camera's slowest step."""
    step_s = float(np.median(np.diff(made.stamps_s)))
    seen = made.seen.copy()
    for _ in range(rng.integers(1, 4)):
        first = int(rng.integers(0, made.rows))
        seen[first : first + int(np.ceil(rng.uniform(0.25, 1.5) / step_s)) + 1] = False
    return replace(made, seen=seen)


def lost_rows(made, steps):
    """By hand, the steps between two rows that show the face, or before the first or behind the last."""
    sights = made.stamps_s[made.seen].tolist()
    lost = []
    for step in range(steps):
        time_s = step / 10
        before = [sight for sight in sights if sight <= time_s + 1e-6]
        behind = [sight for sight in sights if sight >= time_s - 1e-6]
        begin_s, end_s = (before or [-1.0])[-1], (behind or [1e9])[0]
        inside = (made.stamps_s > begin_s + 1e-6) & (made.stamps_s < end_s - 1e-6)
        lost.append(bool((inside & ~made.seen).any()))
    return np.array(lost)


def spans_of(answer, flag):
    return [(span.start_s, span.end_s) for span in answer.flag_spans if span.flag == flag]


@pytest.mark.parametrize("absent", ["nan", "", "NA", "0.00"])
def test_every_row_of_a_lost_face_is_null_and_flagged(tables, absent):
    for seed in VARIANTS:
        rng = np.random.default_rng(seed)
        made = lose(rng, draw(rng)[0])
        if not made.seen.any():
            continue
        answer = answer_of(tables, written(made, absent=absent))
        expected = lost_rows(made, len(answer.time_s))
        np.testing.assert_array_equal(np.isnan(answer.arousal), expected)
        np.testing.assert_array_equal(np.isnan(answer.valence), expected)
        assert (Flag.FACE_LOST in answer.flags) == expected.any()
        in_span = [
            any(begin - 1e-6 <= step <= end + 1e-6 for begin, end in spans_of(answer, "face_lost"))
            for step in answer.time_s
        ]
        assert (~expected | np.array(in_span)).all()


def test_rows_that_are_absent_are_lost_like_those_that_say_so(tables):
    for seed in VARIANTS:
        rng = np.random.default_rng(seed)
        made, _ = draw(rng)
        count = int(np.ceil(rng.uniform(0.3, 1.5) / np.median(np.diff(made.stamps_s))))
        if count > made.rows // 2:
            continue  # the typical step would be that of the loss
        first = int(rng.integers(1, made.rows - count))
        made.seen[first : first + count] = False
        said, dropped = (answer_of(tables, written(made, absent="nan", drop=drop)) for drop in (False, True))
        np.testing.assert_array_equal(np.isnan(said.arousal), np.isnan(dropped.arousal))
        assert said.flag_spans == dropped.flag_spans
        assert said.flags == dropped.flags


def test_a_table_without_any_face_says_so(tables):
    made, _ = draw(np.random.default_rng(1))
    answer = answer_of(tables, written(replace(made, seen=~made.seen), absent="nan"))
    assert Flag.NO_FACE in answer.flags
    assert Flag.FACE_LOST not in answer.flags
    assert spans_of(answer, "no_face") == [(0.0, pytest.approx(made.stamps_s[-1]))]


def test_a_row_that_shows_the_face_needs_its_numbers(tables):
    made, _ = draw(np.random.default_rng(2))
    lines = written(made).split(b"\n")
    lines[5] = lines[5].rsplit(b",", 1)[0] + b",nan"
    content = b"\n".join(lines)
    with pytest.raises(FeaturesInvalid, match="not finite"):
        answer_of(tables, content)
