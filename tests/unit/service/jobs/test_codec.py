"""Results and checkpoints survive being written down, to the last bit."""

import math
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from service.jobs.codec import decode, encode
from service.jobs.job import Job, options_text, read_options
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import DoubtBound
from service.pipeline.video.video_results import VideoOptions
from tests.support.example_affect import example_affect
from tests.support.fakes import fake_result


def same(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return one == other and type(one) is type(other)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        0.1 + 0.2,
        -math.inf,
        "ümlaut $",
        [1, [2.5, None]],
        (1, ("a",)),
        {"$": "dict", "items": {"a": (1, 2)}},
        {"array": np.arange(6, dtype=np.float16).reshape(2, 3), "empty": np.zeros((0, 4), np.bool_)},
        [np.float32([np.nan, 1e-45]), np.zeros((1, 1, 3))],
    ],
    ids=repr,
)
def test_values_survive(value):
    assert same(decode(encode(value)), value)


def test_results_survive():
    for result in (fake_result(), example_affect(40, gaps=((3, 5),), units=True, attribution=True, audio=True)):
        assert same(decode(encode(result)), result)


def test_doubt_survives():
    result = fake_result()
    channel = replace(result.channels[0], plausible=("anger", "fear"))
    told = replace(result, channels=(channel,), doubt=DoubtBound(0.9, 0.05))
    assert same(decode(encode(told)), told)


@pytest.mark.parametrize("value", [object(), {1: "a"}, {"a": {1, 2}}, b"bytes", Job])
def test_nothing_else_is_taken(value):
    with pytest.raises(TypeError):
        encode(value)


def test_arrays_of_objects_are_never_loaded():
    with pytest.raises(ValueError, match="Object arrays"):
        encode(np.array([{}], dtype=object))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("audio-emotion", AudioOptions(model="m", hop_s=0.5, timeline=True)),
        ("video-affect", VideoOptions(include=frozenset({"audio", "attribution"}), neutral="1:2")),
    ],
)
def test_options_survive(kind, options):
    assert read_options(kind, options_text(options)) == (options, True)
    text = options_text(options)
    assert read_options(kind, text.replace("{", '{"of_a_newer_release": null, ', 1)) == (options, True)
    assert read_options(kind, text.replace("{", '{"of_a_newer_release": 0.5, ', 1)) == (options, False)
