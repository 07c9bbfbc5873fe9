import json
import math
from dataclasses import replace

import numpy as np
import pytest

from service.pipeline.results import MediaInfo
from service.render.audio_json import audio_emotion_json
from tests.support.example_results import NINE_LABELS, SIX_LABELS, example_result


def strict_json(document: object) -> object:
    return json.loads(json.dumps(document, allow_nan=False))


def test_names_are_those_of_the_contract() -> None:
    document = audio_emotion_json(example_result(flags=("clipped",)), "id-1", timeline=True)
    assert set(document) == {
        "request_id", "media", "model", "labels", "coverage", "probabilities", "by_label", "emotion", "plausible",
        "arousal", "valence", "timeline", "flags", "flag_spans",
    }  # fmt: skip
    assert document["media"] == {
        "duration_s": 13.0, "sample_rate_hz": 16000, "channels": 1, "container": "wav", "codec": "pcm_s16le",
    }  # fmt: skip
    assert set(document["model"]) == {"name", "version", "sha256", "licence", "provider"}
    assert set(document["timeline"]) == {
        "plausible",
        "start_s",
        "end_s",
        "probabilities",
        "arousal",
        "valence",
        "speech",
        "confidence",
    }
    assert document["request_id"] == "id-1"
    assert document["flags"] == ["clipped"]
    assert strict_json(document) == document


def test_values_are_those_of_the_result() -> None:
    result = example_result()
    document = audio_emotion_json(result, "id", timeline=True)
    channel = result.channels[0]
    assert document["labels"] == list(SIX_LABELS)
    assert document["probabilities"] == pytest.approx(channel.probabilities.tolist(), abs=5.1e-7)
    assert document["emotion"] == channel.emotion
    timeline = document["timeline"]
    assert timeline["end_s"] == channel.timeline.end_s.tolist()
    for index, label in enumerate(SIX_LABELS):
        wanted = channel.timeline.probabilities[:, index].tolist()
        assert timeline["probabilities"][label] == pytest.approx(wanted, abs=5.1e-7)
    assert timeline["arousal"] == pytest.approx(channel.timeline.arousal.tolist(), abs=5.1e-7)


def test_without_timeline_there_is_none() -> None:
    document = audio_emotion_json(example_result(channels=("0", "1")), "id", timeline=False)
    assert "timeline" not in document
    assert all("timeline" not in channel for channel in document["channels"])


def test_unknown_windows_are_null_in_every_column() -> None:
    timeline = audio_emotion_json(example_result(gaps=((3, 5),)), "id", timeline=True)["timeline"]
    columns = [*timeline["probabilities"].values(), timeline["arousal"], timeline["valence"]]
    for column in columns:
        assert [index for index, value in enumerate(column) if value is None] == [3, 4]
    assert None not in timeline["speech"]


def test_no_speech_at_all_is_null_with_its_flag() -> None:
    document = strict_json(audio_emotion_json(example_result(4, gaps=((0, 4),)), "id", timeline=True))
    assert document["probabilities"] is None
    assert document["emotion"] is None
    assert document["arousal"] is None
    assert document["valence"] is None
    assert document["flags"] == ["no_speech"]


def test_model_without_affect_has_no_columns_for_it() -> None:
    document = audio_emotion_json(example_result(affect=False), "id", timeline=True)
    assert document["arousal"] is None
    assert document["timeline"]["valence"] is None


def test_each_channel_and_the_mean_over_those_with_speech() -> None:
    result = example_result(10, channels=("0", "1"), gaps=((2, 4),))
    document = audio_emotion_json(result, "id", timeline=True)
    first, second = document["channels"]
    assert [first["channel"], second["channel"]] == ["0", "1"]
    mean = np.mean([channel.probabilities for channel in result.channels], axis=0)
    assert document["probabilities"] == pytest.approx(mean.tolist(), abs=1e-6)
    assert document["emotion"] == SIX_LABELS[int(np.argmax(mean))]
    merged, one, two = (entry["timeline"]["arousal"] for entry in (document, first, second))
    assert one[2] is None
    assert merged[2] == two[2]
    assert merged[0] == pytest.approx((one[0] + two[0]) / 2, abs=1e-6)
    speech = [entry["timeline"]["speech"] for entry in (document, first, second)]
    assert speech[0] == [max(pair) for pair in zip(*speech[1:], strict=True)]


def test_silent_channel_does_not_weigh_in() -> None:
    result = example_result(6, channels=("0", "1"), gaps=((0, 6),))
    document = audio_emotion_json(result, "id", timeline=True)
    assert document["channels"][0]["probabilities"] is None
    assert document["probabilities"] == document["channels"][1]["probabilities"]
    assert document["flags"] == ["no_speech"]


def test_both_channels_silent() -> None:
    result = example_result(6, channels=("0", "1"), gaps=((0, 6),))
    silent = replace(result, channels=(result.channels[0], replace(result.channels[0], channel="1")))
    document = strict_json(audio_emotion_json(silent, "id", timeline=True))
    assert document["emotion"] is None
    assert set(document["timeline"]["valence"]) == {None}


def test_one_channel_named_by_index_still_has_a_list() -> None:
    assert len(audio_emotion_json(example_result(channels=("0",)), "id", timeline=False)["channels"]) == 1
    assert "channels" not in audio_emotion_json(example_result(channels=("left",)), "id", timeline=False)


def test_rounding_and_absent_media_facts() -> None:
    result = replace(example_result(1), media=MediaInfo(1 / 3, "mp4", "aac", 44100, 2, 29.97003, 640, 360))
    media = audio_emotion_json(result, "id", timeline=False)["media"]
    assert media["duration_s"] == 0.333
    assert media["frame_rate_hz"] == 29.97
    assert (media["width"], media["height"]) == (640, 360)


def test_infinite_number_is_null() -> None:
    result = example_result(1)
    broken = replace(result, channels=(replace(result.channels[0], arousal=math.inf, valence=math.nan),))
    document = audio_emotion_json(broken, "id", timeline=False)
    assert document["arousal"] is None
    assert document["valence"] is None


def test_longest_timeline_has_a_list_for_each_quantity() -> None:
    timeline = audio_emotion_json(
        example_result(20_000, NINE_LABELS, hop_s=0.05, gaps=((100, 900),)), "id", timeline=True
    )["timeline"]
    assert len(timeline["valence"]) == 20_000
    assert [row for row, value in enumerate(timeline["valence"]) if value is None] == list(range(100, 900))
