"""BP4D as it is published: a miniature is read and scored, broken ones are named."""

import zipfile

import cv2
import numpy as np
import pytest

from export.faces.bp4d import UNITS, bp4d_tasks
from export.faces.evaluate import coded_in, score, side_by_side
from service.pipeline.decoding.decode import Decoder
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.settings import Limits

FIRST, FRAMES = 2440, 80
CODED = range(20, 75)
"""Of the frames: coders of BP4D take some twenty seconds of each task."""

UNSEEN_FRAMES = (40, 41)
CODED_UNITS = [f"AU{unit:02d}" for unit in UNITS]


def intensity(unit, frame):
    return 9 if frame in UNSEEN_FRAMES and unit == 12 else (frame // 8 + unit) % 6


def picture(frame):
    """A grey picture, brighter with each frame."""
    return cv2.imencode(".jpg", np.full((48, 64, 3), 40 + 2 * frame, np.uint8))[1].tobytes()


@pytest.fixture
def bp4d(tmp_path):
    for unit in UNITS:
        folder = tmp_path / f"AUCoding/AU_INT/AU{unit:02d}"
        folder.mkdir(parents=True)
        lines = [f"{FIRST + frame},{intensity(unit, frame)}" for frame in CODED]
        (folder / f"F001_T1_AU{unit:02d}.csv").write_text("\n".join(lines) + "\n")
    pictures = tmp_path / "2D+3D/F001/T1"
    pictures.mkdir(parents=True)
    for frame in range(FRAMES):
        (pictures / f"{FIRST + frame}.jpg").write_bytes(picture(frame))
    (pictures / "2440.mtl").write_text("no picture")
    return tmp_path


def seen_in(video):
    """Times and brightness of the frames that the service's decoder finds."""
    decoder, found = Decoder(Limits(), 1), []
    decoder.start()
    try:
        decoder.video(video, lambda frame: found.append((frame.time_s, int(frame.image.mean()))), timeout_s=60)
    finally:
        decoder.close()
    return found


@pytest.mark.parametrize("packed", [False, True])
def test_a_miniature_is_read_to_the_number(bp4d, packed):
    if packed:
        with zipfile.ZipFile(bp4d / "2D+3D/F001.zip", "w") as archive:
            for file in sorted((bp4d / "2D+3D/F001/T1").iterdir(), reverse=True):
                archive.write(file, f"F001/T1/{file.name}")
                file.unlink()
            archive.writestr("F001/T2/2440.jpg", picture(99))
        (bp4d / "2D+3D/F001/T1").rmdir()
    (task,) = bp4d_tasks(bp4d)
    series = task.series()
    np.testing.assert_allclose(series.time_s, np.array(CODED) / 25)
    for place, name in enumerate(ACTION_UNITS):
        wanted = [intensity(int(name[2:]), frame) if name in CODED_UNITS else np.nan for frame in CODED]
        np.testing.assert_array_equal(series.action_units[:, place], wanted)
    assert [frame for frame, tracked in zip(CODED, series.tracked, strict=True) if not tracked] == [*UNSEEN_FRAMES]
    times_s, brightness = zip(*seen_in(task.video()), strict=True)
    assert times_s == pytest.approx(np.arange(FRAMES) / 25, abs=1e-3)
    assert brightness == pytest.approx(40 + 2 * np.arange(FRAMES), abs=3)


def test_a_missing_picture_moves_no_other(bp4d):
    (bp4d / f"2D+3D/F001/T1/{FIRST + 30}.jpg").unlink()
    (task,) = bp4d_tasks(bp4d)
    found = dict(seen_in(task.video()))
    assert len(found) == FRAMES - 1
    assert found[31 / 25] == pytest.approx(40 + 2 * 31, abs=3)


def test_only_coded_units_have_figures(bp4d):
    (coded,) = coded_in(bp4d)
    truth = coded.reference(None)
    ours = FaceSeries(truth.time_s, truth.confidence, np.nan_to_num(truth.action_units), np.ones(len(truth), np.bool_))
    recording = side_by_side(lambda _: ours, coded, None)
    assert len(recording.time_s) == len(CODED) - len(UNSEEN_FRAMES)
    scores = score([recording])
    assert list(scores) == CODED_UNITS
    assert scores["AU12"].correlation == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("2470,", "frame,", "not lines of a frame's number"),
        ("2470,", "2470;", "not lines of a frame's number"),
        ("2470,", "2469,", "their numbers do not increase"),
        ("2470,", "2470,7", "an intensity is not 0 to 5, nor 9"),
        ("2514,", "2600,", "are not coded in the same frames"),
    ],
)
def test_a_broken_file_is_named(bp4d, old, new, wanted):
    file = bp4d / "AUCoding/AU_INT/AU10/F001_T1_AU10.csv"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    (task,) = bp4d_tasks(bp4d)
    with pytest.raises(ValueError, match=wanted) as caught:
        task.series()
    assert "F001_T1" in str(caught.value)


def test_what_is_missing_is_said(bp4d):
    (task,) = bp4d_tasks(bp4d)
    (bp4d / "AUCoding/AU_INT/AU17/F001_T1_AU17.csv").unlink()
    with pytest.raises(ValueError, match="BP4D codes 5 units, and this file is missing"):
        task.series()
    with pytest.raises(ValueError, match="25 a second, not 30"):
        task.series(30.0)
    pictures = bp4d / "2D+3D/F001/T1"
    for file in pictures.iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="has no pictures of T1"):
        task.video()
    (pictures / "2440.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="are no JPEG files"):
        task.video()
    (pictures / "2440.jpg").unlink()
    pictures.rmdir()
    (bp4d / "2D+3D/F001.zip").write_bytes(b"no archive")
    (packed,) = bp4d_tasks(bp4d)
    with pytest.raises(ValueError, match="not an archive"):
        packed.video()
    (bp4d / "2D+3D/F001.zip").unlink()
    with pytest.raises(ValueError, match="no pictures of it"):
        bp4d_tasks(bp4d)
    assert bp4d_tasks(bp4d / "2D+3D") == []
