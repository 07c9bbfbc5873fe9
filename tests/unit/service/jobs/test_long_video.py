"""A long video in segments gives what it gives in one piece, with the publisher's face networks on a real face."""

import functools
import io

import av
import numpy as np
import pytest

from export.faces.bundle import write_face_bundle
from service.jobs.audio_plan import AudioPlan
from service.jobs.part import FACES, TURN
from service.jobs.plans import JobPlans, job_limits
from service.jobs.spool import Spool
from service.jobs.video_plan import VideoPlan
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.device.admit import Admission
from service.pipeline.face.neutral import NeutralUse
from service.pipeline.speech_pipeline import SpeechPipeline
from service.pipeline.video.video_results import VideoOptions
from service.pipeline.video_pipeline import VideoPipeline
from service.problems import Unprocessable
from service.registry import Registry
from service.settings import Settings
from tests import media_files as files
from tests.shared_material import ROOT, shared_file
from tests.support.face_networks import write_expression_bundle
from tests.support.long_recordings import KEY, run_job
from tests.support.presented_files import presented
from tests.support.segment_shape import assert_known
from tests.support.work import patient
from tests.tiny_models import write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.test_codec import same

SEGMENT_S = 0.5  # 12 frames
EVERYTHING = frozenset({"action_units", "attribution", "audio", "expression"})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Plans and pipeline."""
    folder = tmp_path_factory.mktemp("models")
    write_face_bundle(folder, task=shared_file("weights/face_landmarker.task"))
    write_voice_bundle(folder)
    write_speech_bundle(folder, priority=100)
    write_expression_bundle(folder, tmp_path_factory.mktemp("published"))
    settings = Settings(model_dirs=[folder, ROOT / "models"], device="cpu", threads=1, decode_workers=1)
    registry = Registry.load(settings)
    decoder = Decoder(settings.limits, 1)
    decoder.start()
    speech = SpeechPipeline(settings, registry, decoder)
    video = VideoPipeline(settings, registry, decoder, speech)
    limits = job_limits(settings)
    audio = AudioPlan(speech, limits, SEGMENT_S)
    plan = VideoPlan(video, speech, audio, SEGMENT_S, 60.0)
    plans = JobPlans(audio, plan, LongDecoder(limits, 1, 60.0), Admission(7200.0))
    plans.start()
    yield plans, video
    plans.close()
    video.close()
    speech.close()
    decoder.close()


@pytest.fixture(scope="module")
def uploads(built):
    """Answers to uploads, each computed once."""
    _, video = built
    return functools.cache(
        lambda name, options: video.analyse(shared_file(f"media/{name}").read_bytes(), options, patient())
    )


def check_same(one, other) -> None:
    for mine, theirs in zip(one.faces or (), other.faces or (), strict=True):
        check_same(mine, theirs)
    for name in ("media", "models", "time_s", "arousal", "valence", "face_confidence", "speech", "action_units"):
        assert same(getattr(one, name), getattr(other, name)), name
    assert one.flags == other.flags
    assert one.neutral == other.neutral
    for name in ("attribution", "summary", "trained", "expression"):
        assert same(getattr(one, name), getattr(other, name)), name
    assert (one.audio is None) == (other.audio is None)
    if one.audio is not None:
        assert same(one.audio.channels, other.audio.channels)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("single_face.mp4", VideoOptions(include=EVERYTHING, neutral="0:1", face="all")),
        ("noface_face.mov", VideoOptions(include=frozenset({"action_units"}))),
    ],
    ids=["a face all the time", "a face that comes late"],
)
def test_a_job_cut_anywhere_answers_as_the_upload(built, uploads, tmp_path, name, options, seed):
    plans, _ = built
    random = np.random.default_rng(seed)
    plans._video._segment_s = random.uniform(0.2, 2.0)
    lost = random.random(200) < 0.4
    content = shared_file(f"media/{name}").read_bytes()
    answer, segments = run_job(plans, options, content, Spool(tmp_path / "spool"), lambda number: lost[number])
    assert segments > 3
    check_same(answer, uploads(name, options))


def test_a_job_takes_the_document_of_a_face(built, tmp_path):
    plans, video = built
    content = shared_file("media/single_face.mp4").read_bytes()
    resting = video.profile([content], "0:1", patient())
    options = VideoOptions(neutral="document", include=frozenset({"action_units"}), resting=resting)
    answer, segments = run_job(plans, options, content, Spool(tmp_path / "spool"))
    assert segments > 2
    assert answer.neutral == NeutralUse("document", resting.frames)
    check_same(answer, video.analyse(content, options, patient()))


def test_what_segments_write_down_is_of_the_known_shape(built, tmp_path):
    plans, _ = built
    plans._video._segment_s = 2.0
    folder = Spool(tmp_path / "spool")
    run_job(plans, VideoOptions(), shared_file("media/single_face.mp4").read_bytes(), folder)
    assert_known(folder.open_job("job0", KEY), (FACES, TURN))


def test_nobody_and_sound(built, tmp_path):
    plans, video = built
    content = files.video(files.greys(40), sound=files.tone(1.6, 44_100))
    options = VideoOptions(include=EVERYTHING)
    answer, _ = run_job(plans, options, content, Spool(tmp_path / "spool"))
    check_same(answer, video.analyse(content, options, patient()))
    assert "no_face" in answer.flags
    assert answer.audio is not None


def test_where_the_sound_has_gaps_nobody_is_known_to_speak(built, tmp_path):
    plans, video = built
    sound = {"codec": "libopus", "samples": files.tone(2.0, 48_000), "start_s": 1.5, "gap": (1.0, 1.0)}
    content = presented("webm", [sound], pictures=[{"duration_s": 6.0}])
    answer, _ = run_job(plans, VideoOptions(), content, Spool(tmp_path / "spool"))
    upload = video.analyse(content, VideoOptions(), patient())
    check_same(answer, upload)
    assert answer.flag_spans == upload.flag_spans
    gaps = [(span.start_s, span.end_s) for span in answer.flag_spans if span.flag == "sound_gap"]
    np.testing.assert_allclose(gaps, [(0.0, 1.5), (2.5, 3.5), (4.5, 6.0)], atol=0.05)
    assert "sound_gap" in answer.flags
    known = np.flatnonzero(~np.isnan(answer.speech)) / 10
    assert (known.min(), known.max()) == pytest.approx((1.5, 4.5), abs=0.11)
    assert not ((known > 2.61) & (known < 3.39)).any()
    assert len(known) == pytest.approx(20, abs=4)


def filmed_twice(seconds, *, faces):
    """A Matroska file: a grey picture track marked default, then tracks of which those numbered have a face."""
    target = io.BytesIO()
    with av.open(str(shared_file("media/single_face.mp4"))) as source:
        copied = [packet for packet in source.demux(video=0) if packet.dts is not None and packet.pts is not None]
        copied = [packet for packet in copied if packet.pts * packet.time_base < seconds]
        with av.open(target, "w", format="matroska") as output:
            streams = []
            for number in range(3):
                if number in faces:
                    streams.append(output.add_stream_from_template(source.streams.video[0]))
                else:
                    streams.append(output.add_stream("mpeg4", rate=25))
                    streams[-1].width, streams[-1].height, streams[-1].pix_fmt = 64, 48, "yuv420p"
                streams[-1].disposition = av.stream.Disposition.default if number == 0 else av.stream.Disposition(0)
            for number, stream in enumerate(streams):
                if number in faces:
                    for packet in copied:
                        packet.stream = stream
                        output.mux(packet)
                    continue
                for picture in files.greys(round(25 * seconds)):
                    output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                output.mux(stream.encode(None))
    return target.getvalue()


@pytest.mark.parametrize(("faces", "used"), [({1}, 1), ({2}, 2), (set(), 0), ({0}, 0)])
def test_the_first_picture_track_with_a_face_is_judged(built, tmp_path, faces, used):
    plans, video = built
    plans._video._segment_s = 0.5
    content, options = filmed_twice(1.5, faces=faces), VideoOptions(neutral="none")
    upload = video.analyse(content, options, patient())
    for lose in (lambda _number: False, lambda _number: True):
        answer, _ = run_job(plans, options, content, Spool(tmp_path / "spool"), lose)
        check_same(answer, upload)
        assert [track.used for track in answer.media.tracks] == [number == used for number in range(3)]
        assert ("no_face" in answer.flags) == (not faces)
        assert "several_tracks" in answer.flags
    named = VideoOptions(neutral="none", picture_track=0)
    answer, _ = run_job(plans, named, content, Spool(tmp_path / "spool"))
    assert [track.used for track in answer.media.tracks] == [True, False, False]
    check_same(answer, video.analyse(content, named, patient()))


def test_a_face_that_is_not_there_is_told_at_the_end(built, tmp_path):
    plans, _ = built
    content = shared_file("media/single_face.mp4").read_bytes()
    with pytest.raises(Unprocessable):
        run_job(plans, VideoOptions(face="3"), content, Spool(tmp_path / "spool"))
