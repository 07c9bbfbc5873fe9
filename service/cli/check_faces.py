"""The face half of ``emoserve check``: do its graphs run, and can videos be answered?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from service.cli.check_result import Check, attempt
from service.pipeline.video_setup import load_affect
from service.settings import Settings

if TYPE_CHECKING:
    from service.pipeline.decoding.decode import Decoder
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video_pipeline import VideoPipeline
    from service.registry import Registry


def face_checks(
    settings: Settings, registry: Registry, decoder: Decoder, speech: SpeechPipeline, stack: ExitStack
) -> Iterator[Check]:
    """Run every graph of the face half. What is not prepared is said, and is no failure: speech works without it."""
    bundles = registry.of_task("affect")
    if not bundles:
        yield Check("faces", ok=True, detail="no affect model: videos and action units are answered 503")
        return
    affect, problem = attempt(lambda: _start(settings, registry, decoder, speech, stack))
    if affect is None:
        yield Check("faces", ok=False, detail=problem)
        return
    for bundle in bundles:
        yield Check(f"model {bundle.card.name}/{bundle.card.version}", ok=True, detail="ran")
    missing = "not prepared, videos are answered 503: run `emoserve setup`"
    yield Check("faces", ok=True, detail="the networks ran" if affect.has_faces else missing)


def _start(
    settings: Settings, registry: Registry, decoder: Decoder, speech: SpeechPipeline, stack: ExitStack
) -> VideoPipeline:
    affect = load_affect(settings, registry, decoder, speech)  # runs every graph once
    assert affect is not None
    stack.callback(affect.close)
    return affect
