import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from service.__main__ import main
from service.pipeline.video.video_results import TableOptions, VideoOptions
from service.render.video_json import UNCERTAINTIES
from tests.support.fakes import FakeBundle, FakeEngine, face_bundles, fake_card

Capture = pytest.CaptureFixture[str]


@pytest.fixture(name="faces")
def faces_fixture(engine: FakeEngine) -> FakeEngine:
    """An engine with a bundle for each step from picture to affect."""
    engine.registry.bundles = face_bundles()
    return engine


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    for name in ("talk.wav", "talk.mp4", "units.csv"):
        (tmp_path / name).write_bytes(b"good")
    (tmp_path / "sound.webm").write_bytes(b"no pictures")
    return tmp_path


def test_auto_takes_faces_of_videos_and_voices_of_sound(faces: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert main(["analyze", "--json", str(folder)]) == 0
    documents = {Path(each["file"]).name: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert set(documents) == {"talk.wav", "talk.mp4", "sound.webm"}
    assert "emotion" in documents["talk.wav"]
    assert len(documents["talk.mp4"]["timeline"]["time_s"]) == 40
    assert "emotion" in documents["sound.webm"], "a container without pictures is judged by its sound"
    assert len(faces.pipeline.options) == 2


def test_without_face_bundle_videos_go_by_their_sound(engine: FakeEngine, folder: Path, capsys: Capture) -> None:
    affect = fake_card("tiny-affect", task="affect")
    for bundles in (engine.registry.bundles, (*engine.registry.bundles, FakeBundle(affect))):
        engine.registry.bundles = bundles
        assert main(["analyze", "--json", str(folder / "talk.mp4")]) == 0
        assert "emotion" in json.loads(capsys.readouterr().out)
        assert main(["analyze", "--mode", "video", str(folder / "talk.mp4")]) == 1
        assert "emoserve setup" in capsys.readouterr().err
    assert main(["analyze", "--mode", "table", str(folder / "units.csv")]) == 0, "tables need no face model"


def test_mode_audio_leaves_the_face_alone(faces: FakeEngine, folder: Path) -> None:
    assert main(["analyze", "--mode", "audio", str(folder / "talk.mp4")]) == 0
    assert len(faces.pipeline.options) == 1
    assert faces.affect.options == []


def test_mode_video_says_where_there_are_no_pictures(faces: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert main(["analyze", "--mode", "video", str(folder)]) == 1
    assert "sound.webm: no_video_stream" in capsys.readouterr().err
    assert len(faces.affect.options) == 2, "the sound file of the folder is passed over"


def test_options_reach_the_pipeline(faces: FakeEngine, folder: Path) -> None:
    flags = ["--include=action_units,audio", "--neutral=1:2", "--face=3", "--affect-version=7"]
    assert main(["analyze", *flags, str(folder / "talk.mp4")]) == 0
    include = frozenset({"action_units", "audio"})
    assert faces.affect.options == [VideoOptions(neutral="1:2", face="3", include=include, version="7")]


def test_a_profile_of_a_face_is_made_and_used(faces: FakeEngine, folder: Path, tmp_path: Path, capsys: Capture) -> None:
    (folder / "broken.mp4").write_bytes(b"invalid")
    target = tmp_path / "rest.json"
    make = ["profile", "--kind=face", "--output", str(target)]
    assert main([*make, str(folder / "talk.mp4"), str(folder / "talk.mp4"), "--neutral=1:2"]) == 0
    assert json.loads(target.read_text())["frames"] == 200
    assert faces.affect.options == [VideoOptions(neutral="1:2")] * 2
    assert main([*make, "--continue", str(target), str(folder / "broken.mp4"), str(folder / "talk.mp4")]) == 1
    assert json.loads(target.read_text())["frames"] == 300
    assert "broken.mp4: media_invalid" in capsys.readouterr().err

    assert main(["analyze", f"--neutral={target}", str(folder / "talk.mp4")]) == 0
    used = faces.affect.options[-1]
    assert isinstance(used, VideoOptions)
    assert used.neutral == "document"
    assert used.resting is not None
    assert used.resting.frames == 300


@pytest.mark.parametrize(
    "flags",
    [
        ["profile", "--kind=face", "--model=m"],
        ["profile", "--kind=face", "--neutral=none"],
        ["profile", "--neutral=median"],
        ["profile", "--kind=face", "--continue=units.csv"],
        ["analyze", "--neutral=units.csv"],
        ["analyze", "--neutral=absent"],
    ],
)
def test_profiles_of_faces_are_checked_first(
    faces: FakeEngine, folder: Path, capsys: Capture, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main([*flags, "talk.mp4"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert faces.settings is None


def test_channel_and_speech_model_reach_the_sound_of_a_video(faces: FakeEngine, folder: Path) -> None:
    voice = ["--channel=left", "--model=m", "--model-version=2"]
    assert main(["analyze", "--mode=video", "--include=audio", *voice, str(folder / "talk.mp4")]) == 0
    expected = VideoOptions(include=frozenset({"audio"}), channel="left", audio_model="m", audio_version="2")
    assert faces.affect.options == [expected]


def test_tables_of_a_folder(faces: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert main(["analyze", "--mode", "table", "--fps", "25", "--csv", str(folder)]) == 0
    assert faces.affect.options == [TableOptions(fps=25.0)]
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert rows[0] == ["time_s", "arousal", "valence", "face_confidence", "speech", "flags", *UNCERTAINTIES]
    assert len(rows) == 41


def test_readable_answer(faces: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert main(["analyze", "--include", "action_units,attribution", str(folder / "talk.mp4")]) == 0
    output = capsys.readouterr().out
    for words in ("arousal  mean", "valence  mean", "AU12 lip corner puller", "moved valence", "not a diagnosis"):
        assert words in output
    assert main(["analyze", "--timeline", str(folder / "talk.mp4"), str(folder / "talk.wav")]) == 0
    output = capsys.readouterr().out
    assert "0:03.9" in output
    assert "trained: prior" in output


def test_plots(faces: FakeEngine, folder: Path, tmp_path: Path) -> None:
    sizes = []
    for include in ("", "action_units", "attribution"):
        target = tmp_path / "out.png"
        assert main(["analyze", "--include", include, "--plot", str(target), str(folder / "talk.mp4")]) == 0
        sizes.append(Image.open(target).size)
    assert {width for width, _ in sizes} == {1320}
    assert len({height for _, height in sizes}) == 3


def test_voices_and_faces_do_not_share_a_csv(faces: FakeEngine, folder: Path, capsys: Capture) -> None:
    assert main(["analyze", "--csv", str(folder / "talk.mp4"), str(folder / "talk.wav")]) == 1
    output = capsys.readouterr()
    assert "talk.wav: other_columns" in output.err
    assert len(output.out.splitlines()) == 41


@pytest.mark.parametrize(
    "flags",
    [
        ["--include", "everything"],
        ["--neutral", "2:1"],
        ["--face", "smallest"],
        ["--mode", "table", "--fps", "0"],
        ["--mode", "table", "--include", "audio"],
    ],
)
def test_flags_are_checked_before_models_are_loaded(
    faces: FakeEngine, folder: Path, capsys: Capture, flags: list[str]
) -> None:
    assert main(["analyze", *flags, str(folder / "talk.mp4")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert faces.settings is None
