"""The whole way of a video with the publisher's face networks."""

import io
import threading
import time

import av
import cv2
import numpy as np
import pytest

from export.faces.bundle import write_face_bundle
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.frame_stream import VideoFrame
from service.pipeline.device.task import Cancelled, Work
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.speech_pipeline import SpeechPipeline
from service.pipeline.video.video_faces import VideoFaces
from service.pipeline.video.video_results import TableOptions, VideoOptions
from service.pipeline.video_pipeline import VideoPipeline
from service.problems import (
    DeadlineExceeded,
    Draining,
    ModelNotFound,
    NoVideoStream,
    Unprocessable,
)
from service.registry import Registry
from service.settings import Limits, Settings
from tests import media_files as files
from tests.shared_material import ROOT, shared_file
from tests.support.face_networks import write_expression_bundle
from tests.support.patience import HANG_S
from tests.support.work import patient
from tests.tiny_models import write_speech_bundle, write_voice_bundle

EVERYTHING = frozenset({"action_units", "attribution"})


def build(*folders, **limits):
    settings = Settings(
        model_dirs=[*folders, ROOT / "models"], device="cpu", threads=1, decode_workers=1, limits=Limits(**limits)
    )
    registry = Registry.load(settings)
    decoder = Decoder(settings.limits, 1)
    decoder.start()
    speech = SpeechPipeline(settings, registry, decoder)
    return VideoPipeline(settings, registry, decoder, speech), speech, decoder


def closing(built):
    pipeline, speech, decoder = built
    pipeline.warm_up()
    yield pipeline
    pipeline.close()
    speech.close()
    decoder.close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of bundles with faces."""
    folder = tmp_path_factory.mktemp("models")
    write_face_bundle(folder, task=shared_file("weights/face_landmarker.task"))
    write_voice_bundle(folder)
    write_speech_bundle(folder, priority=100)
    write_expression_bundle(folder, tmp_path_factory.mktemp("published"))
    return folder


@pytest.fixture(scope="module")
def pipeline(prepared):
    yield from closing(build(prepared))


@pytest.fixture(scope="module")
def every_frame(prepared):
    """Follows faces in up to 60 frames a second."""
    yield from closing(build(prepared, max_frame_rate_hz=60.0))


def media(name):
    return shared_file(f"media/{name}").read_bytes()


@pytest.fixture(scope="module")
def smile(pipeline):
    shares = []
    answer = pipeline.analyse(
        media("single_face.mp4"),
        VideoOptions(neutral="none", include=EVERYTHING | {"boxes", "frame_units"}),
        Work.within(60.0, progress=shares.append),
    )
    return answer, shares


def test_a_face_gives_arousal_and_valence_at_10_hz(smile):
    answer, _ = smile
    assert (answer.media.width, answer.media.height, answer.media.codec) == (640, 360, "h264")
    assert answer.media.frame_rate_hz == pytest.approx(30.0)
    np.testing.assert_allclose(answer.time_s, np.arange(25) / 10)
    for series in (answer.arousal, answer.valence):
        assert series.dtype == np.float32
        assert series.shape == (25,)
        assert np.isfinite(series).all()
        assert np.abs(series).max() <= 1
    np.testing.assert_allclose(answer.face_confidence, 0.98, rtol=1e-6)
    assert answer.flags == ("trained: prior",)
    assert answer.trained == "prior"
    assert answer.look_ahead_s == pytest.approx(1.5)
    assert set(answer.models) == {"faces", "action_units", "affect", "voice_activity"}
    assert answer.summary["valence"].mean == pytest.approx(answer.valence.astype(float).mean())


def test_boxes_and_frames_of_the_face(smile, pipeline):
    answer, _ = smile
    left, top, width, height = answer.boxes.T
    assert ((left > 0.2) & (left + width < 0.75) & (top + height <= 1) & (width > 0.15) & (width < 0.4)).all()
    assert len(answer.frames) == 72
    seconds = answer.frames.time_s[:, None] - answer.time_s
    at_ten = np.abs(seconds[:, 10]) <= 0.5 + 1e-6
    mean = answer.frames.action_units[at_ten].mean(axis=0)
    np.testing.assert_allclose(answer.action_units[10], mean, atol=1e-4)
    x, y = left.mean() + width.mean() / 2, top.mean() + height.mean() / 2
    there = VideoOptions(neutral="none", face=f"at:{x:.3f},{y:.3f}")
    np.testing.assert_array_equal(pipeline.analyse(media("single_face.mp4"), there, patient()).arousal, answer.arousal)
    with pytest.raises(Unprocessable, match="place") as caught:
        pipeline.analyse(media("single_face.mp4"), VideoOptions(face="at:0.02,0.98"), patient())
    assert caught.value.pointer == "/face"


def test_a_network_looks_at_the_face_beside_the_units(smile, pipeline):
    asked = VideoOptions(neutral="none", face="all", include=frozenset({"expression"}))
    answer = pipeline.analyse(media("single_face.mp4"), asked, patient())
    np.testing.assert_array_equal(answer.arousal, smile[0].arousal)
    assert smile[0].expression is None
    assert answer.models["expression"].name == "looks"
    seen = answer.expression
    assert seen.values.shape == (25, 10)
    np.testing.assert_allclose(seen.output("probabilities").sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(answer.faces[0].expression.values, seen.values)
    # at the first row: the mean of the looks of the first half second, at every third frame of 30 a second
    model, looks = pipeline.expression_model(asked), []
    networks, units = pipeline.face_models()
    faces = VideoFaces(networks, units, units.neutral("none", None))
    for number, picture in enumerate(pictures("single_face.mp4")[:16]):
        (face,) = faces.follow(VideoFrame(number / 30, picture, 0.0)).faces
        if number % 3 == 0:
            looks.append(
                model.look(cv2.resize(with_level_eyes(picture, face.placed[:, :2]), (224, 224)) / np.float32(255))
            )
    np.testing.assert_allclose(seen.values[0], np.mean(looks, axis=0), atol=0.02)


def with_level_eyes(picture, points):
    """The box of a mesh, cut out of the turned picture."""
    across = points[263] - points[33]
    turn = cv2.getRotationMatrix2D(points.mean(axis=0), np.degrees(np.arctan2(across[1], across[0])), 1.0)
    level = points @ turn[:, :2].T + turn[:, 2]
    (left, top), (right, bottom) = np.rint(level.min(axis=0)).astype(int), np.rint(level.max(axis=0)).astype(int)
    return cv2.warpAffine(picture, turn, picture.shape[1::-1])[top:bottom, left:right]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({"expression_model": "nobody"}, ModelNotFound), ({"expression_version": "9"}, ModelNotFound)],
)
def test_a_network_that_is_not_there_is_refused(pipeline, options, wanted):
    with pytest.raises(wanted):
        pipeline.check(VideoOptions(include=frozenset({"expression"}), **options))


def pictures(name):
    with av.open(io.BytesIO(media(name))) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def turned(name):
    upside_down = [np.ascontiguousarray(picture[::-1, ::-1]) for picture in pictures(name)]
    return files.video(upside_down, rate=30, codec="h264")


def test_a_video_upside_down_says_the_same(smile, pipeline):
    answer = pipeline.analyse(turned("single_face.mp4"), VideoOptions(neutral="none"), patient())
    np.testing.assert_allclose(answer.valence, smile[0].valence, atol=0.1)
    np.testing.assert_allclose(answer.arousal, smile[0].arousal, atol=0.1)


def test_a_still_photo_does_not_move(pipeline):
    picture = cv2.imread(str(shared_file("media/multi_face.jpg")))[:, :, ::-1]
    picture = cv2.resize(picture, (640, 640 * picture.shape[0] // picture.shape[1] // 2 * 2))
    every = VideoOptions(face="all", include=frozenset({"boxes", "action_units", "attribution"}))
    answer = pipeline.analyse(files.video([picture] * 40, rate=10, codec="h264"), every, patient())
    assert "several_faces" in answer.flags
    assert len(answer.faces) > 1
    np.testing.assert_array_equal(answer.faces[0].valence, answer.valence)
    sizes = [np.sqrt(one.boxes[:, 2] * one.boxes[:, 3]).mean() for one in answer.faces]
    assert sizes == sorted(sizes, reverse=True)
    lefts = [one.boxes[:, 0].mean() for one in answer.faces]
    assert len({round(float(left), 1) for left in lefts}) > 1
    assert all("several_faces" not in one.flags and one.attribution is None for one in answer.faces)
    assert answer.attribution is not None
    assert np.ptp(answer.arousal) < 0.05
    assert np.ptp(answer.valence) < 0.05


def test_every_null_of_a_late_face_lies_in_a_span(pipeline):
    answer = pipeline.analyse(media("noface_face.mov"), VideoOptions(), patient())
    assert "face_lost" in answer.flags
    spans = [(one.start_s, one.end_s) for one in answer.flag_spans if one.flag == "face_lost"]
    inside = np.array([any(a - 1e-6 <= step <= b + 1e-6 for a, b in spans) for step in answer.time_s])
    assert np.isnan(answer.arousal).any()
    assert (inside | np.isfinite(answer.arousal)).all()


def test_the_smile_is_seen(smile):
    answer, _ = smile
    means = dict(zip(ACTION_UNITS, answer.action_units.mean(axis=0), strict=True))
    assert means["AU12"] > 2
    assert means["AU25"] > 2
    assert means["AU12"] > 4 * means["AU15"]
    assert answer.summary["valence"].max > 0.2


def test_a_real_smile_is_no_rest_and_real_talk_is(pipeline):
    smiling = pipeline.analyse(media("single_face.mp4"), VideoOptions(neutral="1.5:2.3"), patient())
    assert "neutral_smiles" in smiling.flags
    resting = pipeline.analyse(media("single_face.mp4"), VideoOptions(neutral="0:0.3"), patient())
    talking = pipeline.analyse(media("talking_real.mp4"), VideoOptions(), patient())
    assert "neutral_smiles" not in (*resting.flags, *talking.flags)
    assert (talking.neutral.source, talking.neutral.frames) == ("median", 291)


def test_the_attribution_adds_up(smile):
    found = smile[0].attribution
    assert found.features == COLUMNS
    assert found.arousal.shape == (37, 21)
    assert (found.lags_s[0], found.lags_s[-1]) == (pytest.approx(-1.0), pytest.approx(1.0))
    assert not found.valence[0].any()  # how sure the face is says nothing
    assert ("valence", "AU12_mean") in {(one.target, one.feature) for one in found.moments}
    for name in ("arousal", "valence"):
        cells = getattr(found, name)
        total = cells.sum() + getattr(found, f"{name}_baseline")
        assert total == pytest.approx(smile[0].summary[name].mean, abs=1e-5)
        uncertainty = getattr(smile[0], f"{name}_uncertainty")
        np.testing.assert_array_equal(np.isfinite(uncertainty), np.isfinite(smile[0].arousal))
        assert 0 < np.nanmax(uncertainty) < 0.2
        np.testing.assert_allclose(getattr(found, f"{name}_by_feature"), cells.sum(axis=1))


def test_progress_goes_one_way_to_1(smile):
    shares = smile[1]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 72


def test_before_the_face_appears_nothing_is_known(pipeline):
    answer = pipeline.analyse(media("noface_face.mov"), VideoOptions(neutral="5:6", include=EVERYTHING), patient())
    known = np.isfinite(answer.arousal)
    assert "thinned" not in answer.flags  # two of its frames lie close together
    assert not known[:30].any()
    assert known[45:].all()
    np.testing.assert_array_equal(np.isfinite(answer.action_units).all(axis=1), known)
    np.testing.assert_array_equal(answer.face_confidence > 0, known)


def test_a_video_without_a_face_has_no_numbers(pipeline):
    answer = pipeline.analyse(media("no_face.mp4"), VideoOptions(), patient())
    assert np.isnan(answer.arousal).all()
    assert "no_face" in answer.flags


@pytest.fixture(scope="module")
def grey_talk():
    """A second of grey pictures; the second half is loud."""
    sound = np.concatenate([np.zeros((1, 24_000), np.float32), files.tone(0.5, 48_000)], axis=1)
    return files.video(files.greys(25), sound=sound)


def test_without_a_face_there_are_no_numbers(pipeline, grey_talk):
    answer = pipeline.analyse(grey_talk, VideoOptions(include=EVERYTHING), patient())
    assert np.isnan(answer.arousal).all()
    assert np.isnan(answer.valence).all()
    assert np.isnan(answer.action_units).all()
    assert not answer.face_confidence.any()
    assert answer.flags == ("no_face", "trained: prior")
    assert answer.summary == {}
    assert answer.attribution is None


def test_speech_comes_from_the_sound_track(pipeline, grey_talk):
    answer = pipeline.analyse(grey_talk, VideoOptions(include=frozenset({"audio"}), audio_model="tiny"), patient())
    assert answer.speech[:4].max() == 0
    assert answer.speech[6:9].min() == 1
    assert answer.audio.labels == ("anger", "neutral")
    assert answer.audio.channels[0].emotion is not None


def test_the_channel_decides_who_is_heard(pipeline):
    """The left channel is silent; the model named for the voice is the one that answers."""
    sound = np.concatenate([np.zeros((1, 48_000), np.float32), files.tone(1.0, 48_000)])
    talk = files.video(files.greys(25), sound=sound)
    heard = {}
    for channel in ("mix", "left", "right", "each"):
        options = VideoOptions(include=frozenset({"audio"}), channel=channel, audio_model="tiny")
        heard[channel] = pipeline.analyse(talk, options, patient())
    assert {name: bool(answer.speech[2:8].min()) for name, answer in heard.items()} == {
        "mix": True, "left": False, "right": True, "each": True,
    }  # fmt: skip
    assert [part.channel for part in heard["each"].audio.channels] == ["left", "right"]
    assert heard["left"].audio.channels[0].emotion is None
    assert heard["right"].audio.channels[0].emotion is not None
    assert heard["right"].audio.model.name == "tiny"
    options = VideoOptions(include=frozenset({"audio"}), audio_model="emonet-open", audio_version="2")
    answer = pipeline.analyse(talk, options, patient())
    assert (answer.audio.model.name, len(answer.audio.labels)) == ("emonet-open", 7)
    for missing in ({"audio_model": "unheard-of"}, {"audio_model": "tiny", "audio_version": "77"}):
        with pytest.raises(ModelNotFound):
            pipeline.analyse(talk, VideoOptions(include=frozenset({"audio"}), **missing), patient())


def test_60_frames_a_second_give_the_answer_of_30(pipeline, every_frame):
    """Each picture twice at 60 a second: by default every other one is looked at, else all."""
    with av.open(io.BytesIO(media("single_face.mp4"))) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:45]
    once = pipeline.analyse(files.video(pictures, rate=30), VideoOptions(neutral="none"), patient())
    twice = files.video([picture for picture in pictures for _ in range(2)], rate=60)
    thinned, whole = (part.analyse(twice, VideoOptions(neutral="none"), patient()) for part in (pipeline, every_frame))
    assert ("thinned" in once.flags, "thinned" in thinned.flags, "thinned" in whole.flags) == (False, True, False)
    for answer in (thinned, whole):
        assert answer.media.frame_rate_hz == pytest.approx(60)
        assert len(answer.time_s) == len(once.time_s)
        for name in ("arousal", "valence"):
            np.testing.assert_allclose(getattr(answer, name), getattr(once, name), atol=0.06)


def test_without_sound_nobody_speaks(pipeline):
    answer = pipeline.analyse(
        files.video(files.greys(5)), VideoOptions(include=frozenset({"audio"}), audio_model="tiny"), patient()
    )
    assert answer.speech is None
    assert answer.audio is None
    assert "no_audio" in answer.flags
    assert "voice_activity" not in answer.models


def test_what_a_video_lacks_is_said(pipeline):
    with pytest.raises(NoVideoStream):
        pipeline.analyse(files.wav(files.tone(0.5)), VideoOptions(), patient())
    with pytest.raises(ModelNotFound):
        pipeline.analyse(b"", VideoOptions(model="unheard-of"), patient())
    with pytest.raises(Unprocessable) as caught:
        pipeline.analyse(media("noface_face.mov"), VideoOptions(neutral="0:1"), patient())
    assert caught.value.pointer == "/neutral"
    assert pipeline.admission.requests == 0


def test_work_ends_when_nobody_waits_or_time_is_up(pipeline):
    data = files.video(files.greys(200))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        pipeline.analyse(data, VideoOptions(), Work.within(60.0, cancel))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        pipeline.analyse(data, VideoOptions(), Work.within(0.1))
    assert time.monotonic() - began < HANG_S
    assert pipeline.admission.requests == 0
    assert pipeline.analyse(files.video(files.greys(3)), VideoOptions(), patient()).flags[0] == "no_face"


def test_nothing_is_admitted_while_draining(tmp_path):
    built = build(tmp_path)
    pipeline, speech, decoder = built
    pipeline.admission.drain()
    with pytest.raises(Draining):
        pipeline.analyse_table(b"", TableOptions(), patient())
    for part in (pipeline, speech, decoder):
        part.close()


def test_a_frame_that_fails_once_is_followed_again_and_no_other(pipeline, monkeypatch):
    follow, times_s = VideoFaces.follow, []

    def shaky(watching, frame):
        times_s.append(frame.time_s)
        if len(times_s) == 3:
            raise RuntimeError("the device is gone for a moment")
        return follow(watching, frame)

    monkeypatch.setattr(VideoFaces, "follow", shaky)
    pipeline.analyse(files.video(files.greys(10)), VideoOptions(), patient())
    assert len(times_s) == 11
    assert times_s[2] == times_s[3]
    assert len(set(times_s)) == 10
