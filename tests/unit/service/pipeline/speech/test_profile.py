"""Profiles: their arithmetic, and one answer whichever way a recording is heard with one."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.card import ProfileInput
from service.jobs.spool import Spool
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import AudioEmotion, VoiceProfile
from service.pipeline.speech.live import LiveOptions
from service.pipeline.speech.profile import GrowingProfile, apart, profile_of, profile_view
from service.problems import ProfileInvalid, ProfileMismatch, ProfileTooLittleSpeech
from service.registry import BundleError
from service.schemas.profile import profile_document, read_voice_profile
from tests.plain_wav import tone, wav
from tests.support.long_recordings import run_job
from tests.support.work import patient
from tests.tiny_models import TINY_ENCODER, speech_model, write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.test_long_audio import Built

RATE_HZ = 16_000
TAKES = ProfileInput(encoder_sha256=TINY_ENCODER, dimensions=1, half_weight_clips=2.0)


def voice(clips: int = 4, speech_s: float = 8.0, mean: float = 0.0, square: float = 0.25) -> VoiceProfile:
    return VoiceProfile(TINY_ENCODER, clips, speech_s, np.array([mean, square], np.float32))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder, profiles=True, priority=1)
    write_speech_bundle(folder, "plain")
    write_voice_bundle(folder)
    built = Built(folder)
    yield built
    built.close()


def talk(*levels: float, pause_s: float = 1.5) -> np.ndarray:
    """Utterances of 1 s of these levels with pauses between."""
    pause = np.zeros(round(pause_s * RATE_HZ), np.float32)
    return np.concatenate([part for level in levels for part in (tone(1.0, amplitude=level), pause)])


def test_a_document_comes_back_as_it_went() -> None:
    random = np.random.default_rng(3)
    made = VoiceProfile(TINY_ENCODER, 20, 61.4, random.standard_normal(12).astype(np.float16).astype(np.float32))
    text = profile_document(made).model_dump_json()
    back = read_voice_profile(text.encode())
    np.testing.assert_array_equal(back.statistics, made.statistics)
    assert (back.encoder_sha256, back.clips, back.speech_s) == (TINY_ENCODER, 20, 61.4)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "emoserve-profile/2"},
        {"clips": 0},
        {"clips": "4"},
        {"speech_s": -1.0},
        {"dimensions": 3},
        {"mean": "AA"},
        {"mean": "AHw="},  # infinity
        {"kind": "face"},
        {"more": 1},
        {"encoder_sha256": "f"},
    ],
)
def test_other_documents_are_refused(change: dict[str, object]) -> None:
    document = profile_document(voice()).model_dump() | change
    with pytest.raises(ProfileInvalid):
        read_voice_profile(json.dumps(document).encode())


def test_a_continued_profile_is_that_of_all_clips() -> None:
    random = np.random.default_rng(5)
    clips = list(random.standard_normal((7, 2)).astype(np.float32))
    whole = profile_of(TAKES, clips, 14.0, None)
    parts = profile_of(TAKES, clips[3:], 8.0, profile_of(TAKES, clips[:3], 6.0, None))
    np.testing.assert_allclose(parts.statistics, whole.statistics, rtol=1e-6)
    assert (parts.clips, parts.speech_s) == (whole.clips, whole.speech_s) == (7, 14.0)
    np.testing.assert_allclose(whole.statistics, np.mean(clips, axis=0), rtol=1e-6)
    with pytest.raises(ProfileTooLittleSpeech):
        profile_of(TAKES, clips, 2.9, None)
    other = VoiceProfile("0" * 64, 3, 6.0, clips[0])
    with pytest.raises(ProfileMismatch):
        profile_of(TAKES, clips, 14.0, other)


@pytest.mark.parametrize(
    ("source", "known", "takes", "error"),
    [
        ("document", None, TAKES, ProfileInvalid),
        ("document", voice(speech_s=2.9), TAKES, ProfileTooLittleSpeech),
        ("document", VoiceProfile("0" * 64, 4, 8.0, np.zeros(2, np.float32)), TAKES, ProfileMismatch),
        ("document", VoiceProfile(TINY_ENCODER, 4, 8.0, np.zeros(4, np.float32)), TAKES, ProfileMismatch),
        ("document", voice(), None, ProfileMismatch),
        ("self", None, None, ProfileMismatch),
    ],
)
def test_profiles_that_do_not_fit_are_refused(source, known, takes, error) -> None:
    with pytest.raises(error):
        profile_view(source, known, takes, RATE_HZ)


def test_a_growing_profile_holds_what_ended_before() -> None:
    assert apart([(0, 10), (5, 15), (20, 30), (29, 31)], 0) == [0, 2]
    view = GrowingProfile(TAKES, 10)
    values = [np.array([number, 1.0], np.float32) for number in (2.0, 4.0, 9.0)]
    view.add([(0, 10), (20, 30), (40, 50)], values)
    clip = np.zeros(3, np.float32)
    rows = view.seen([(19, 22), (20, 23), (40, 43), (60, 63)], [clip] * 4)  # 1 s is left out: 10 samples
    assert [row.weight for row in rows] == [0.0, 1 / 3, 2 / 4, 3 / 5]
    np.testing.assert_allclose([row.statistics[0] for row in rows[1:]], [2.0, 3.0, 5.0])
    view.settle(40)
    again = GrowingProfile(TAKES, 10)
    again.restore(view.state())
    assert [row.weight for row in again.seen([(40, 43), (60, 63)], [clip] * 2)] == [2 / 4, 3 / 5]
    np.testing.assert_allclose(again.seen([(60, 63)], [clip])[0].statistics, [5.0, 1.0])


def emotion_of(built: Built, samples: np.ndarray, **options: object) -> AudioEmotion:
    content = wav(samples)
    return built.speech.analyse(content, AudioOptions(timeline=True, **options), patient())  # type: ignore[arg-type]


def test_a_profile_is_taken_away_as_its_weight_says(built: Built) -> None:
    samples = talk(0.8)
    alone = emotion_of(built, samples)
    with_profile = emotion_of(built, samples, profile="document", voice=voice(clips=6))
    assert with_profile.profile is not None
    assert with_profile.profile.weight == 6 / 8
    # Logits are ±4 · mean and ±8 · mean square: 0.75 · 0.25 less of the second number.
    before, after = (np.log(one.channels[0].probabilities) for one in (alone, with_profile))
    assert after[1] - after[0] - (before[1] - before[0]) == pytest.approx(-16 * 0.75 * 0.25, abs=0.05)  # two clips
    assert alone.profile is None


def test_profiles_of_recordings(built: Built) -> None:
    made = built.speech.profile([wav(talk(0.8, 0.4)), wav(talk(0.8, 0.8))], AudioOptions(), patient())
    assert made.clips == 4
    assert made.speech_s == pytest.approx(4.0, abs=0.3)
    with pytest.raises(ProfileTooLittleSpeech):
        built.speech.profile([wav(talk(0.8))], AudioOptions(), patient())
    with pytest.raises(ProfileMismatch):
        built.speech.profile([wav(talk(0.8))], AudioOptions(model="plain"), patient())


def test_self_is_causal(built: Built) -> None:
    levels = (0.8, 0.3, 0.6, 0.8, 0.2)
    short, long = (emotion_of(built, talk(*levels[:count]), profile="self", segments=True) for count in (3, 5))
    rows = [one.channels[0].segments.probabilities for one in (short, long)]
    np.testing.assert_allclose(rows[0], rows[1][:3], atol=1e-5)
    alone = emotion_of(built, talk(*levels), segments=True).channels[0].segments.probabilities
    np.testing.assert_allclose(rows[1][0], alone[0], atol=1e-6)  # nothing was heard before
    assert np.abs(rows[1][1:] - alone[1:]).min(axis=1).max() > 0.01
    assert (long.profile.source, long.profile.clips) == ("self", 5)


@pytest.mark.parametrize("profile", ["self", "document"])
def test_upload_job_and_stream_say_the_same(built: Built, tmp_path: Path, profile) -> None:
    samples = talk(0.8, 0.3, 0.6, 0.8, 0.2, 0.5, 0.7, 0.4)
    known = {"profile": profile, "voice": voice() if profile == "document" else None}
    upload = emotion_of(built, samples, **known)
    job, segments = run_job(built.plans, AudioOptions(timeline=True, **known), wav(samples), Spool(tmp_path))
    assert segments > 2
    live = built.speech.live(LiveOptions(RATE_HZ, **known))
    pcm = (samples * 32767).round().astype("<i2").tobytes()
    for begin in range(0, len(pcm), 9_000):
        live.add(pcm[begin : begin + 9_000], patient())
    live.finish(patient())
    for other in (job, live.answer()):
        assert other.profile == upload.profile
        channel, own = other.channels[0], upload.channels[0]
        np.testing.assert_allclose(channel.probabilities, own.probabilities, atol=1e-4)
        np.testing.assert_allclose(channel.timeline.probabilities, own.timeline.probabilities, atol=1e-4)


def test_a_card_may_not_name_profiles_that_its_graph_lacks(tmp_path: Path) -> None:
    graph = speech_model(probabilities=True).replace(b"profile_weight", b"profile_height")
    write_speech_bundle(tmp_path, profiles=True, model=graph, runs=False)
    with pytest.raises(BundleError, match="names profiles, its graph takes none"):
        Built(tmp_path)
