"""Tables of OpenFace and AVEC, good and bad."""

import numpy as np
import pytest

from service.pipeline.face.action_unit_table import read_action_unit_table
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.problems import ColumnsMissing, FeaturesInvalid, MediaEmpty, MediaTooLong, TimestampsInvalid, TooManyFrames
from service.settings import Limits
from tests.shared_material import SHARED

LIMITS = Limits()
INTENSITIES = [f"{unit}_r" for unit in ACTION_UNITS]


def table(rows, names, delimiter=",", blanks=False):
    joint = delimiter + (" " if blanks else "")
    lines = [joint.join(names)] + [joint.join(str(row[name]) for name in names) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def rows_of(count=40, rate=25.0, **constant):
    rng = np.random.default_rng(0)
    rows = []
    for index in range(count):
        row = {"frame": index + 1, "face_id": 0, "timestamp": round(index / rate, 3), "confidence": 0.98, "success": 1}
        row |= {name: round(float(rng.uniform(0, 5)), 2) for name in INTENSITIES}
        row |= {"AU28_c": 0, "gaze_0_x": -0.1, "p_scale": 2.5}
        rows.append(row | constant)
    return rows


NEW = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "p_scale", *INTENSITIES, "AU28_c"]
OLD = [name for name in NEW if name != "face_id"]


@pytest.mark.parametrize("names", [NEW, OLD, NEW[::-1]], ids=["new", "old", "any order"])
@pytest.mark.parametrize("blanks", [False, True], ids=["tight", "blanks"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_headers_old_and_new_read_alike(names, blanks, start):
    rows = rows_of()
    read = read_action_unit_table(start + table(rows, names, blanks=blanks), LIMITS)
    np.testing.assert_allclose(read.time_s, [row["timestamp"] for row in rows])
    np.testing.assert_allclose(read.action_units[:, 8], [row["AU12_r"] for row in rows])
    np.testing.assert_allclose(read.confidence, 0.98)
    assert read.tracked.all()
    assert (read.face, read.faces) == (0, (0,))


def test_avec_tables():
    names = ["name", "frameTime", "confidence", *INTENSITIES]
    rows = [row | {"name": "'Train_DE_01'", "frameTime": row["timestamp"]} for row in rows_of(rate=50)]
    rows[3] |= dict.fromkeys(["confidence", *INTENSITIES], 0)
    read = read_action_unit_table(table(rows, names, ";"), LIMITS)
    assert read.time_s[-1] == pytest.approx(39 / 50)
    assert not read.tracked[3]
    assert read.tracked.sum() == 39


def test_windows_line_ends_and_blank_lines():
    content = table(rows_of(), NEW).replace(b"\n", b"\r\n") + b"\r\n\r\n"
    assert read_action_unit_table(content, LIMITS).time_s.size == 40


def two_faces():
    small = [row | {"face_id": 0, "p_scale": 1.0, "AU12_r": 1.0} for row in rows_of()]
    large = [row | {"face_id": 3, "p_scale": 4.0, "AU12_r": 3.0} for row in rows_of()[:20]]
    return table(sorted(small + large, key=lambda row: row["frame"]), NEW)


def test_the_largest_face_is_the_default_and_any_can_be_chosen():
    read = read_action_unit_table(two_faces(), LIMITS)
    assert (read.face, read.faces, read.time_s.size) == (3, (0, 3), 20)
    assert (read.action_units[:, 8] == 3.0).all()
    other = read_action_unit_table(two_faces(), LIMITS, face=0)
    assert (other.face, other.time_s.size) == (0, 40)


def test_a_face_that_is_not_there():
    with pytest.raises(FeaturesInvalid) as caught:
        read_action_unit_table(two_faces(), LIMITS, face=7)
    assert caught.value.pointer == "/face"


@pytest.mark.parametrize("gone", ["AU12_r", "confidence", "timestamp"])
def test_missing_columns_are_named(gone):
    with pytest.raises(ColumnsMissing, match=gone):
        read_action_unit_table(table(rows_of(), [name for name in NEW if name != gone]), LIMITS)


def test_tables_of_single_images_are_refused():
    names = ["face", "confidence", *INTENSITIES]
    rows = [row | {"face": 0} for row in rows_of()]
    for fps in (None, 25.0):
        with pytest.raises(ColumnsMissing, match="timestamp"):
            read_action_unit_table(table(rows, names), LIMITS, fps=fps)


def test_openface_3_lacks_the_seventeen():
    names = ["frame", "timestamp", "confidence", *(f"AU{index:02d}_r" for index in range(1, 9))]
    rows = [row | {f"AU{index:02d}_r": 0.1 for index in range(1, 9)} for row in rows_of()]
    with pytest.raises(ColumnsMissing, match="AU45_r"):
        read_action_unit_table(table(rows, names), LIMITS)


def altered(**change):
    rows = rows_of()
    rows[7] |= change
    return table(rows, NEW)


@pytest.mark.parametrize(
    "content",
    [
        altered(AU06_r="nan"),
        altered(AU06_r="inf"),
        altered(AU06_r="1e400"),
        altered(AU06_r=""),
        altered(AU06_r="much"),
        altered(AU06_r=7.5),
        altered(AU06_r=-2.3),
        altered(confidence=98),
        altered(face_id=0.5),
        altered(face_id=1e300),
        altered(AU06_r="1,2"),
        altered(gaze_0_x='"open'),
        table(rows_of(1), NEW),
        table(rows_of(), [*NEW, "AU12_r"]),
        b"\xff\xfe\x00a",
        b'"' + b"x" * 200_000 + b'"\n1\n',
    ],
    ids=lambda _: "",
)
def test_unusable_tables_are_features_invalid(content):
    with pytest.raises(FeaturesInvalid):
        read_action_unit_table(content, LIMITS)


@pytest.mark.parametrize("content", [b"", b"\n \n", table([], NEW)])
def test_empty_tables(content):
    with pytest.raises(MediaEmpty):
        read_action_unit_table(content, LIMITS)


@pytest.mark.parametrize(
    "rows",
    [rows_of(rate=1000), rows_of(rate=2), rows_of(timestamp=1.0), rows_of()[::-1], rows_of(rate=-25.0)],
    ids=["1 ms", "500 ms", "standing still", "backwards", "negative"],
)
def test_time_stamps_that_no_camera_makes(rows):
    with pytest.raises(TimestampsInvalid, match="fps"):
        read_action_unit_table(table(rows, NEW), LIMITS)


def test_fps_replaces_time_stamps_and_keeps_gaps():
    rows = rows_of(rate=1000)
    del rows[10:15]
    read = read_action_unit_table(table(rows, NEW), LIMITS, fps=20)
    assert read.time_s[9] == pytest.approx(0.45)
    assert read.time_s[10] == pytest.approx(0.75)


def test_limits_hold():
    with pytest.raises(TooManyFrames):
        read_action_unit_table(table(rows_of(), NEW), LIMITS.model_copy(update={"max_frames": 39}))
    with pytest.raises(MediaTooLong):
        read_action_unit_table(table(rows_of(), NEW), LIMITS.model_copy(update={"max_duration_s": 1.0}))
    with pytest.raises(MediaTooLong):
        read_action_unit_table(altered_last_frame(10**15), LIMITS, fps=25)


def altered_last_frame(number):
    rows = rows_of()
    rows[-1]["frame"] = number
    return table(rows, NEW)


def test_genuine_openface_table_is_refused_without_fps_and_read_with_it():
    path = SHARED / "media" / "OpenFace_Test.csv"
    if not path.exists():
        pytest.skip(f"no genuine OpenFace table at {path}; set EMOSERVE_SHARED")
    with pytest.raises(TimestampsInvalid, match="1 ms"):
        read_action_unit_table(path.read_bytes(), LIMITS)
    read = read_action_unit_table(path.read_bytes(), LIMITS, fps=30)
    assert read.time_s.size == 100
    assert read.time_s[-1] == pytest.approx(3.3)
    assert read.action_units.max() > 0.3
    assert read.tracked.all()
