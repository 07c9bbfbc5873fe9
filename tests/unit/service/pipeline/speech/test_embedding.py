"""Embeddings with tiny models whose answers can be computed by hand: windows, silence, choice of model, limits."""

import numpy as np
import pytest

from service.pipeline.audio_options import EmbeddingOptions
from service.problems import AnswerTooLarge, MediaTooShort, ModelNotFound, Unprocessable
from service.registry import BundleError
from service.settings import Limits
from tests.plain_wav import tone, wav
from tests.support.work import patient
from tests.tiny_models import (
    denoiser_model,
    expected_embedding,
    speech_model,
    write_embedding_bundle,
    write_speech_bundle,
    write_voice_bundle,
)

RATE_HZ = 16000
LOUD, OTHER, QUIET = tone(1.0), tone(1.0, amplitude=0.6), np.zeros(RATE_HZ, np.float32)


@pytest.fixture
def pipeline(build, tmp_path):
    write_embedding_bundle(tmp_path)
    write_voice_bundle(tmp_path)
    pipeline = build(tmp_path)
    pipeline.warm_up()
    return pipeline


def embed(pipeline, *channels, **options):
    return pipeline.embed(wav(*channels), EmbeddingOptions(**options), patient())


def test_one_row_a_window_for_the_whole_recording(pipeline):
    clip = np.concatenate([LOUD, OTHER, LOUD[:4000]])
    answer = embed(pipeline, clip)
    assert answer.start_s.tolist() == [0.0, 0.5, 1.0, 1.25]
    assert answer.end_s.tolist() == [1.0, 1.5, 2.0, 2.25]
    starts = (answer.start_s * RATE_HZ).astype(int)
    expected = [expected_embedding(clip[start : start + RATE_HZ]) for start in starts]
    (channel,) = answer.channels
    np.testing.assert_allclose(channel.rows, expected, atol=1e-4)
    assert channel.rows.dtype == np.float32
    assert (channel.channel, channel.flags, answer.dimensions) == ("mix", (), 2)
    assert (answer.model.name, answer.denoiser) == ("tiny-embedding", None)
    assert set(answer.stages_s) == {"decode", "queue", "infer", "post"}


def test_a_short_recording_is_one_window_of_its_own_length(pipeline):
    answer = embed(pipeline, tone(0.3))
    assert (answer.start_s.tolist(), answer.end_s.tolist()) == ([0.0], [0.3])
    np.testing.assert_allclose(answer.channels[0].rows[0], expected_embedding(tone(0.3)), atol=1e-4)
    with pytest.raises(MediaTooShort):
        embed(pipeline, tone(0.05))


def test_window_hop_and_range(pipeline):
    clip = np.concatenate([QUIET, LOUD, OTHER])
    answer = embed(pipeline, clip, start_s=1.0, window_s=0.5, hop_s=0.25)
    assert answer.start_s.tolist() == [1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5]
    np.testing.assert_allclose(answer.channels[0].rows[-1], expected_embedding(clip[-8000:]), atol=1e-4)
    for wrong, pointer in (({"window_s": 11.0}, "/window_s"), ({"start_s": 2.0, "end_s": 1.0}, "/end_s")):
        with pytest.raises(Unprocessable) as caught:
            embed(pipeline, clip, **wrong)
        assert caught.value.pointer == pointer


def test_silent_windows_have_no_row_and_say_so(pipeline):
    (channel,) = embed(pipeline, np.concatenate([LOUD, QUIET, OTHER]), hop_s=1.0).channels
    assert np.isnan(channel.rows).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(channel.rows[[0, 2]]).all()
    assert channel.flags == ("silent_windows",)
    (channel,) = embed(pipeline, np.tile(QUIET, 3)).channels
    assert np.isnan(channel.rows).all()
    assert channel.flags == ("silent",)


def test_sound_needs_no_speech(pipeline):
    hiss = np.random.default_rng(440).normal(0, 0.001, 2 * RATE_HZ).astype(np.float32)
    (channel,) = embed(pipeline, hiss).channels
    assert np.isfinite(channel.rows).all()
    assert channel.flags == ()


def test_channels(pipeline):
    left, right = embed(pipeline, LOUD, QUIET, channel="each").channels
    assert (left.channel, right.channel) == ("left", "right")
    assert (left.flags, right.flags) == ((), ("silent",))
    np.testing.assert_allclose(left.rows[0], expected_embedding(LOUD), atol=1e-4)
    (right,) = embed(pipeline, LOUD, OTHER, channel="right").channels
    np.testing.assert_allclose(right.rows[0], expected_embedding(OTHER), atol=1e-4)
    with pytest.raises(Unprocessable) as caught:
        embed(pipeline, LOUD, channel="right")
    assert caught.value.pointer == "/channel"


def test_which_model_answers(build, tmp_path):
    write_speech_bundle(tmp_path, "judge", priority=5)
    write_speech_bundle(tmp_path, "mute", priority=9, model=speech_model(embedding=False))
    pipeline = build(tmp_path)
    assert embed(pipeline, LOUD).model.name == "judge"  # the default, 'mute', gives none
    with pytest.raises(ModelNotFound):
        embed(pipeline, LOUD, model="mute")
    write_speech_bundle(tmp_path, "chosen")
    pipeline = build(tmp_path, default_model="chosen")
    assert embed(pipeline, LOUD).model.name == "chosen"
    for version in ("9", "10"):
        write_embedding_bundle(tmp_path, "made-for-it", version, priority=-1)
    write_embedding_bundle(tmp_path, "second", priority=-2)
    pipeline = build(tmp_path, default_model="chosen")
    assert (embed(pipeline, LOUD).model.name, embed(pipeline, LOUD).model.version) == ("made-for-it", "10")
    assert embed(pipeline, LOUD, version="9").model.version == "9"
    assert embed(pipeline, LOUD, model="judge").model.name == "judge"
    for wrong in ({"model": "absent"}, {"model": "judge", "version": "2"}, {"version": "11"}):
        with pytest.raises(ModelNotFound):
            embed(pipeline, LOUD, **wrong)


def test_no_model_gives_embeddings(build, tmp_path):
    write_speech_bundle(tmp_path, model=speech_model(embedding=False))
    pipeline = build(tmp_path)
    with pytest.raises(ModelNotFound):
        embed(pipeline, LOUD)


def test_size_of_the_answer_is_limited(build, tmp_path):
    write_embedding_bundle(tmp_path)
    pipeline = build(tmp_path, limits=Limits(max_embedding_values=6))
    three_s = np.concatenate([LOUD, OTHER, LOUD])
    assert embed(pipeline, three_s, hop_s=1.0).channels[0].rows.size == 6
    for channels, options in (([three_s], {}), ([three_s], {"channel": "each", "hop_s": 1.0})):
        with pytest.raises(AnswerTooLarge) as caught:
            embed(pipeline, *channels, **options)
        assert caught.value.pointer == "/hop_s"
        assert "limit is 6" in caught.value.detail


def test_wrong_graphs_are_refused_by_one_line(build, tmp_path):
    write_embedding_bundle(tmp_path / "a", model=speech_model(embedding=False))
    with pytest.raises(BundleError, match="bundle tiny-embedding/1: it has no output 'embedding'"):
        build(tmp_path / "a")
    write_embedding_bundle(tmp_path / "b", model=denoiser_model(output="embedding"))
    with pytest.raises(BundleError, match=r"output 'embedding' is not of the shape \[batch, a fixed number\]"):
        build(tmp_path / "b")
