"""Surroundings and storage of a voice change no probability by more than a twentieth: real clips."""

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.robustness import HELD, MOST_CHANGE, Judged, judge, largest_changes, load, variants, wav
from service.local.engine import running_engine
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import FloatArray
from service.pipeline.speech_pipeline import SpeechPipeline
from service.settings import Settings
from tests.shared_material import corpus_folder

CLIPS = 4
OPTIONS = AudioOptions(rows=False)
VARIANTS = {name: make for name, make in variants() if name.startswith(HELD)}


@pytest.fixture(scope="module")
def clean() -> Iterator[tuple[SpeechPipeline, list[FloatArray], Judged]]:
    """The pipeline, clips and the answers for them."""
    folder = corpus_folder("emodb4")
    with running_engine(Settings(device="cpu", threads=1)) as engine:
        labels = engine.speech.model_for(OPTIONS).bundle.card.labels
        clips, _ = load(folder, "devel", labels, CLIPS)
        yield engine.speech, clips, judge(engine.speech, [wav(clip) for clip in clips], OPTIONS)


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_but_the_voice_decides(clean: tuple[SpeechPipeline, list[FloatArray], Judged], name: str) -> None:
    speech, clips, expected = clean
    source = np.random.default_rng(440)
    found = judge(speech, [VARIANTS[name](clip, source) for clip in clips], OPTIONS)
    assert (expected.best >= 0).all()
    assert largest_changes(expected, found).max() <= MOST_CHANGE
