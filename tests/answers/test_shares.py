"""A variant of each kind of input has the flags, times and length that follow from how it was made, on every route."""

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.robustness import load, wav
from service.pipeline.results import AudioEmotion, FloatArray
from tests.answers.shares import KINDS, Routes, running_routes
from tests.shared_material import corpus_folder


@pytest.fixture(scope="module")
def heard() -> Iterator[tuple[Routes, FloatArray, AudioEmotion]]:
    """The routes, a clip, and the answer for it."""
    folder = corpus_folder("emodb4")
    with running_routes() as routes:
        (clip,), _ = load(folder, "devel", routes.labels, 1)
        yield routes, clip, routes.upload(wav(clip))


@pytest.mark.parametrize("name", KINDS)
def test_every_route_tells_what_follows_from_how_it_was_made(
    heard: tuple[Routes, FloatArray, AudioEmotion], name: str
) -> None:
    routes, clip, clean = heard
    drawn = KINDS[name](clip, random.Random(f"{name} 0"), np.random.default_rng(0))
    held = routes.hold(replace(drawn, change=np.inf), clean)  # what the emotion is, is the model's affair
    assert set(held.values()) == {True}, held
