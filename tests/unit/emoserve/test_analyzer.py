"""Files, arrays, tables and folders through the Python interface: what the service would answer, and its errors."""

import pickle
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emoserve
from emoserve import parameters
from emoserve.analyzer import Analyzer
from emoserve.records import AudioEmotion
from service.api.parameters import AudioQuery, EmbeddingQuery
from service.api.video_parameters import TableQuery, VideoQuery
from service.pipeline.audio_options import AudioOptions, EmbeddingOptions
from service.pipeline.video.video_results import TableOptions
from service.problems import ProfileTooLittleFace, Unprocessable, all_problems
from service.render.audio_json import audio_emotion_json
from service.render.embedding import audio_embedding_json
from service.render.video_json import video_affect_json
from tests.answers.signals import table
from tests.plain_wav import tone, wav
from tests.shared_material import ROOT, shared_file
from tests.support.live_server import HANG_S
from tests.support.tiny_services import needs_faces
from tests.tiny_models import write_speech_bundle, write_voice_bundle

LOW, HIGH = tone(2.0, hz=200.0), tone(2.0, hz=1500.0, amplitude=0.1)


@pytest.fixture(scope="module", name="models")
def models_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with tiny speech models and the affect model of the project; no face networks."""
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder)
    write_voice_bundle(folder)
    shutil.copytree(ROOT / "models/affect-prior", folder / "affect-prior")
    return folder


@pytest.fixture(scope="module", name="analyzer")
def analyzer_fixture(models: Path) -> Iterator[Analyzer]:
    with emoserve.Analyzer(model_dirs=[models], device="cpu", threads=1) as analyzer:
        yield analyzer


def test_a_resting_face_is_kept_and_used(models: Path, tmp_path: Path) -> None:
    needs_faces()
    film = shared_file("media/single_face.mp4")
    for bundle in ("models/action-units-468", "var/models/mediapipe-faces"):
        shutil.copytree(ROOT / bundle, tmp_path / Path(bundle).name)
    with emoserve.Analyzer(model_dirs=[models, tmp_path], device="cpu", threads=1) as analyzer:
        rest = analyzer.profile([film], kind="face", neutral="0:1")
        more = analyzer.profile([film.read_bytes()], kind="face", neutral="0:1", profile=rest)
        assert more == rest | {"frames": 2 * int(str(rest["frames"]))}
        answer = analyzer.video(film, neutral=rest)
        assert answer.neutral is not None
        assert (answer.neutral.source, answer.neutral.frames) == ("document", rest["frames"])
        assert analyzer.table(table()).neutral is None
        refused: list[tuple[dict[str, Any], str]] = [
            ({"neutral": more | {"mesh": 99}}, "/neutral"),
            ({"neutral": "document"}, "/neutral"),
            ({"neutral": rest, "face": "all"}, "/neutral"),
        ]
        for parameters, pointer in refused:
            with pytest.raises(Unprocessable) as caught:
                analyzer.video(film, **parameters)
            assert caught.value.pointer == pointer
        with pytest.raises(ProfileTooLittleFace):
            analyzer.profile([film], kind="face")
        with pytest.raises(Unprocessable, match="kind=voice"):
            analyzer.profile([film], kind="face", model="ge2e-open")


@pytest.fixture(name="clip")
def clip_fixture(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(LOW))
    return path


def without_id(record: AudioEmotion | dict[str, object]) -> dict[str, object]:
    document = record if isinstance(record, dict) else record.to_dict()
    return {name: value for name, value in document.items() if name != "request_id"}


def test_a_path_the_bytes_and_the_name_of_a_file_have_one_answer(analyzer: Analyzer, clip: Path) -> None:
    answers = [without_id(analyzer.audio(given, timeline=True)) for given in (clip, str(clip), clip.read_bytes())]
    assert answers[0] == answers[1] == answers[2]


def test_samples_are_judged_as_their_file_is(analyzer: Analyzer, clip: Path) -> None:
    samples = np.round(LOW * 32767).astype(np.float32) / 32768  # as 16 bits keep them
    of_file, of_samples = analyzer.audio(clip), analyzer.audio(samples, 16_000)
    assert of_samples.probabilities == of_file.probabilities
    assert of_samples.media.duration_s == of_file.media.duration_s
    assert analyzer.audio(samples.astype(np.float64)[None], 16_000).probabilities == of_file.probabilities


def test_channels_of_samples_keep_their_order(analyzer: Analyzer) -> None:
    answer = analyzer.audio(np.stack([LOW, HIGH]), 16_000, channel="each")
    alone = [analyzer.audio(each, 16_000).probabilities for each in (LOW, HIGH)]
    assert alone[0] != alone[1]
    assert answer.channels is not None
    assert [channel.probabilities for channel in answer.channels] == alone
    assert answer.media.channels == 2


@pytest.mark.parametrize(
    ("recording", "rate_hz", "message"),
    [
        (LOW, None, "need a sample rate"),
        (b"RIFF", 16_000, "has a sample rate of its own"),
        ((LOW * 32767).astype(np.int16), 16_000, "floating point"),
        (LOW.reshape(1, 2, -1), 16_000, "shape"),
        (LOW, 0, "whole number"),
        (LOW, 16_000.5, "whole number"),
        (LOW[:0], 16_000, "empty"),
        (np.full(16_000, np.nan, np.float32), 16_000, "."),
        (LOW, 100, "sample rate"),
    ],
)
def test_samples_that_cannot_be_judged_are_refused(
    analyzer: Analyzer, recording: typing.Any, rate_hz: typing.Any, message: str
) -> None:
    with pytest.raises(emoserve.EmoserveError, match=message):
        analyzer.audio(recording, rate_hz)


def test_records_hold_what_the_service_answers(analyzer: Analyzer, tmp_path: Path) -> None:
    stereo = wav(LOW, HIGH)
    engine, work = analyzer._running(), emoserve.analyzer._work
    for each in ("mix", "each"):
        sound = engine.speech.analyse(stereo, AudioOptions(channel=each, timeline=True), work(None))
        document = audio_emotion_json(sound, "", timeline=True)
        assert without_id(analyzer.audio(stereo, channel=each, timeline=True)) == without_id(document)
    features = engine.speech.embed(stereo, EmbeddingOptions(), work(None))
    document = audio_embedding_json(features, "")
    record = analyzer.embedding(stereo)
    assert record.to_dict().keys() == document.keys()
    np.testing.assert_array_equal(record.to_array(), features.channels[0].rows)
    np.testing.assert_array_equal(np.array(record.embedding, np.float32), features.channels[0].rows)
    units = table()
    assert engine.affect is not None
    include = frozenset({"action_units", "attribution"})
    face = engine.affect.analyse_table(units, TableOptions(include=include), work(None))
    told = analyzer.table(units, include=["action_units", "attribution"])
    assert without_id(told.to_dict()) == without_id(video_affect_json(face, "", include))
    (tmp_path / "units.csv").write_bytes(units)
    assert analyzer.table(tmp_path / "units.csv").timeline == told.timeline


def test_parameters_are_those_of_the_service() -> None:
    for given, query in (
        (parameters.AudioParameters, AudioQuery),
        (parameters.EmbeddingParameters, EmbeddingQuery),
        (parameters.VideoParameters, VideoQuery),
        (parameters.TableParameters, TableQuery),
    ):
        assert given.__annotations__.keys() == query.model_fields.keys(), given


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [({"hop_s": 0.0}, "/hop_s"), ({"start_s": 2.0, "end_s": 1.0}, "/end_s"), ({"hops": 1}, "/hops")],
)
def test_a_wrong_parameter_is_named(analyzer: Analyzer, clip: Path, wrong: dict[str, typing.Any], pointer: str) -> None:
    with pytest.raises(emoserve.errors.Unprocessable) as caught:
        analyzer.audio(clip, **wrong)
    assert caught.value.pointer == pointer


def test_what_cannot_be_judged_is_told_by_its_class(analyzer: Analyzer, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(emoserve.errors.ContainerUnsupported):
        analyzer.audio(b"no recording at all")
    with pytest.raises(emoserve.EmoserveError, match="unreadable"):
        analyzer.audio(tmp_path / "nowhere.wav")
    with pytest.raises(emoserve.errors.ModelNotFound):
        analyzer.audio(clip, model="nothing")
    with pytest.raises(emoserve.errors.Unavailable, match="emoserve setup"):
        analyzer.video(clip)
    assert all(issubclass(problem, emoserve.EmoserveError) for problem in all_problems())


def test_what_keeps_it_from_starting_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "wrong/1").mkdir(parents=True)
    (tmp_path / "wrong/1/card.json").write_text("{}")
    with pytest.raises(emoserve.EmoserveError, match="bundle wrong/1"):
        emoserve.Analyzer(model_dirs=[tmp_path])


def test_a_folder_is_judged_file_by_file(analyzer: Analyzer, tmp_path: Path) -> None:
    for name, content in {"b.wav": wav(LOW), "a/c.wav": wav(HIGH), "a/bad.wav": b"bad", ".hidden.wav": b""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "units.csv").write_bytes(table())
    told = {
        file.path.relative_to(tmp_path).as_posix(): file for file in analyzer.folder(tmp_path, audio={"timeline": True})
    }
    assert list(told) == ["b.wav", "a/bad.wav", "a/c.wav"]
    assert isinstance(told["a/bad.wav"].error, emoserve.errors.Problem)
    answer = told["a/c.wav"].answer
    assert isinstance(answer, emoserve.AudioEmotion)
    assert without_id(answer) == without_id(analyzer.audio(wav(HIGH), timeline=True))
    (units,) = analyzer.folder(tmp_path, "table")
    assert isinstance(units.answer, emoserve.VideoAffect)
    with pytest.raises(NotADirectoryError, match=r"units\.csv"):
        analyzer.folder(tmp_path / "units.csv")


def test_many_threads_share_one(analyzer: Analyzer) -> None:
    sounds = [wav(tone(1.0, amplitude=0.15 * number)) for number in range(1, 7)]
    alone = [analyzer.audio(sound).probabilities for sound in sounds]
    assert len(set(map(str, alone))) == len(sounds)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda sound: analyzer.audio(sound).probabilities, 3 * sounds))
    np.testing.assert_allclose(np.array(together, float), np.array(3 * alone, float), atol=1e-5)


def test_progress_is_told_up_to_the_end(analyzer: Analyzer, clip: Path) -> None:
    told: list[float] = []
    analyzer.audio(clip, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_frames_have_the_columns_of_the_csv(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    answer = analyzer.audio(wav(LOW), timeline=True, hop_s=0.5)
    frame = answer.to_frame()
    assert list(frame.columns[:4]) == ["channel", "start_s", "end_s", "emotion"]
    assert answer.timeline is not None
    for label in answer.labels:
        np.testing.assert_array_equal(frame[label].to_numpy(), np.array(answer.timeline.probabilities[label], float))
    pandas.testing.assert_frame_equal(pickle.loads(pickle.dumps(answer)).to_frame(), frame)
    spoken = analyzer.audio(wav(LOW), segments=True, voice_activity=True)
    assert spoken.segments is not None
    assert spoken.to_frame()["start_s"].tolist() == spoken.segments.start_s
    assert "speech_level_db" in spoken.to_frame()
    assert spoken.voice_activity is not None
    assert len(spoken.voice_activity.probability) > 10
    each = analyzer.embedding(wav(LOW, HIGH), channel="each").to_frame()
    assert list(each.columns[:4]) == ["channel", "start_s", "end_s", "e0"]
    assert set(each["channel"]) == {"left", "right"}
    steps = analyzer.table(table(), include="action_units").to_frame()
    assert list(steps.columns[:3]) == ["time_s", "arousal", "valence"]
    assert (steps.drop(columns="flags").dtypes == "float64").all()
    assert "face_lost" in set(steps["flags"])
    with pytest.raises(emoserve.EmoserveError, match="no table"):
        emoserve.AudioEmotion.model_validate(answer.to_dict()).to_frame()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError):
        answer.to_frame()


def test_answers_are_drawn_with_the_parts_that_were_asked_for(analyzer: Analyzer) -> None:
    voice = analyzer.audio(wav(LOW), segments=True)
    assert b"one row an utterance" in voice.plot()
    assert b"one row an utterance" not in analyzer.audio(wav(LOW), timeline=True).plot("svg", title="talk")
    face = analyzer.table(table(), include="action_units")
    assert b"AU12 lip corner puller" in face.plot("svg", width_mm=250)
    assert face.plot("pdf").startswith(b"%PDF")
    assert face.plot("png") != face.plot("png", dark=True)
    for wrong in ({"kind": "gif"}, {"width_mm": 100}, {"width_mm": 1e9}):
        with pytest.raises(emoserve.EmoserveError) as caught:
            voice.plot(**wrong)
        assert caught.value.pointer == f"/{next(iter(wrong))}"


def test_a_closed_analyzer_answers_no_more(models: Path, clip: Path) -> None:
    analyzer = emoserve.Analyzer(model_dirs=[models], device="cpu", threads=1)
    assert {card.name for card in analyzer.models} >= {"affect-prior"}
    analyzer.close()
    analyzer.close()
    with pytest.raises(emoserve.EmoserveError, match="closed"):
        analyzer.audio(clip)


def run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_importing_loads_nothing_heavy() -> None:
    heavy = ["numpy", "onnxruntime", "pydantic", "fastapi", "av", "pandas", "matplotlib", "torch"]
    program = f"import sys, emoserve; dir(emoserve); print([name for name in {heavy} if name in sys.modules])"
    assert run(program) == "[]\n"
    assert run("import emoserve; print(all(getattr(emoserve, name) for name in emoserve.__all__))") == "True\n"


def test_a_program_that_never_closes_ends(models: Path, clip: Path) -> None:
    program = (
        "import sys, emoserve\n"
        "analyzer = emoserve.Analyzer(model_dirs=[sys.argv[1]], device='cpu', threads=1)\n"
        "print(analyzer.audio(sys.argv[2]).media.duration_s)"
    )
    assert run(program, str(models), str(clip)) == "2.0\n"
