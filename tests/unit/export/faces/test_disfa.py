"""DISFA as it is published: a miniature is read and scored, broken ones are named."""

import numpy as np
import pytest

from export.faces.disfa import UNITS, disfa_pairs, read_disfa
from export.faces.evaluate import coded_in, score, side_by_side
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.unit_scale import ACTION_UNITS

FRAMES = 60
CODED = [f"AU{unit:02d}" for unit in UNITS]


def intensities(unit):
    return (np.arange(FRAMES) // 10 + unit) % 6


@pytest.fixture
def disfa(tmp_path):
    folder = tmp_path / "ActionUnit_Labels" / "SN001"
    folder.mkdir(parents=True)
    for unit in UNITS:
        lines = [f"{frame + 1},{value}" for frame, value in enumerate(intensities(unit))]
        (folder / f"SN001_au{unit}.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "Video_LeftCamera").mkdir()
    (tmp_path / "Video_LeftCamera" / "LeftVideoSN001_comp.avi").write_bytes(b"pictures")
    return tmp_path


def test_a_miniature_is_read_to_the_number(disfa):
    ((video, folder),) = disfa_pairs(disfa)
    assert video.name == "LeftVideoSN001_comp.avi"
    series = read_disfa(folder)
    np.testing.assert_allclose(series.time_s, np.arange(FRAMES) / 20)
    for place, name in enumerate(ACTION_UNITS):
        wanted = intensities(int(name[2:])) if name in CODED else np.full(FRAMES, np.nan)
        np.testing.assert_array_equal(series.action_units[:, place], wanted)


def test_only_coded_units_have_figures(disfa):
    (coded,) = coded_in(disfa)
    truth = coded.reference(None)
    ours = FaceSeries(truth.time_s, truth.confidence, np.nan_to_num(truth.action_units), truth.tracked)
    scores = score([side_by_side(lambda _: ours, coded, None)])
    assert list(scores) == CODED
    assert scores["AU12"].correlation == pytest.approx(1.0)
    assert (scores["AU12"].f1, scores["AU12"].intraclass) == (1.0, pytest.approx(1.0))


def test_another_rate_moves_the_clock(disfa):
    assert read_disfa(disfa / "ActionUnit_Labels/SN001", 25.0).time_s[25] == 1.0


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("1,0\n", "frame,intensity\n", "not lines of a frame's number"),
        ("7,0\n", "7\n", "not lines of a frame's number"),
        ("9,0\n", "", "not numbered from 1 on"),
        ("13,1\n", "13,9\n", "an intensity is not 0 to 5"),
        ("60,5\n", "", "coded in 59 to 60 frames"),
        ("13,1\n", "13,nan\n", "an intensity is not 0 to 5"),
    ],
)
def test_a_broken_file_is_named(disfa, old, new, wanted):
    file = disfa / "ActionUnit_Labels/SN001/SN001_au6.txt"
    text = "\n" + file.read_text()
    assert f"\n{old}" in text
    file.write_text(text.replace(f"\n{old}", f"\n{new}", 1).lstrip("\n"))
    with pytest.raises(ValueError, match=wanted) as caught:
        read_disfa(file.parent)
    assert "SN001" in str(caught.value)


def test_what_is_missing_is_said(disfa):
    (disfa / "ActionUnit_Labels/SN001/SN001_au6.txt").unlink()
    with pytest.raises(ValueError, match="this file is missing"):
        read_disfa(disfa / "ActionUnit_Labels/SN001")
    (disfa / "Video_LeftCamera/LeftVideoSN001_comp.avi").unlink()
    with pytest.raises(ValueError, match="no video of its left camera"):
        disfa_pairs(disfa)
    assert disfa_pairs(disfa / "Video_LeftCamera") == []
