"""The pipelines in this process, for callers that need no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.pipeline.video_setup import load_affect
from service.settings import Settings

if TYPE_CHECKING:
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video_pipeline import VideoPipeline
    from service.registry import Registry

PATIENCE_S = 24 * 3600.0
"""Longest time for one recording; nobody waits at the other end of a connection."""


@dataclass(frozen=True)
class LocalEngine:
    """Bundles and pipelines of this process; ``affect`` is None where there is no affect bundle."""

    registry: Registry
    speech: SpeechPipeline
    affect: VideoPipeline | None


@contextmanager
def running_engine(settings: Settings, decoders: int = 1) -> Iterator[LocalEngine]:
    """Load models, start decoder processes, and stop all of it at the end.

    Args:
        settings: all but limits of time, since nobody waits.
        decoders: recordings decoded at once.

    Raises:
        BundleError, DeviceError: models or device cannot be used.
        DecoderUnavailable: the decoder process does not start.
    """
    from service.pipeline.decoding.decode import Decoder
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.registry import Registry

    patient = settings.limits.model_copy(update={"deadline_s": PATIENCE_S})
    settings = settings.model_copy(update={"limits": patient})
    registry = Registry.load(settings)
    decoder = Decoder(settings.limits, decoders, is_strict=settings.sandbox == "strict")
    decoder.start()
    with ExitStack() as stack:
        stack.callback(decoder.close)
        pipeline = SpeechPipeline(settings, registry, decoder)
        stack.callback(pipeline.close)
        pipeline.warm_up()
        affect = load_affect(settings, registry, decoder, pipeline)
        if affect is not None:
            stack.callback(affect.close)
        yield LocalEngine(registry, pipeline, affect)
