"""Models and pipelines of the service: loaded once, and again beside those in use when bundles change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from service.pipeline.video_setup import load_affect
from service.probe import judge_probe
from service.settings import Settings
from service.telemetry.logs import service_logger
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from service.pipeline.decoding.decode import Decoder
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video_pipeline import VideoPipeline
    from service.registry import Registry

SLOWEST: Final = 5.0
"""Models that take so many times as long as those in use, for the same sound, do not replace them."""

LOOK_S: Final = 0.2
"""Interval at which a replaced pipeline is looked after, until nothing uses it."""


class ReloadRefused(Exception):
    """The new models do not take over; the text says why in one line."""


@dataclass(frozen=True)
class Loaded:
    """Models and pipelines, which take time to load; ``affect`` is None where there is no affect bundle.

    ``fallback`` tells why the CPU runs although a GPU is there.
    """

    registry: Registry
    decoder: Decoder
    pipeline: SpeechPipeline
    affect: VideoPipeline | None = None
    fallback: str | None = None

    def close(self) -> None:
        """Stop the pipelines; the decoder, which a replacement shares, goes on."""
        if self.affect is not None:
            self.affect.close()
        self.pipeline.close()


def load(settings: Settings, metrics: Metrics) -> Loaded:
    """Build registry, decoder and pipeline, and warm the pipeline up.

    Raises:
        Exception: whatever keeps the service from running; its text is one line for the operator.
    """
    from service.pipeline.decoding.decode import Decoder

    registry = _registry(settings)
    is_strict = settings.sandbox == "strict"
    decoder = Decoder(settings.limits, settings.decode_workers, metrics.decoder_event, is_strict=is_strict)
    decoder.start()
    if decoder.confinement.missing:
        fields = {"missing": list(decoder.confinement.missing)}
        service_logger.warning("decoders are confined less than they could be", extra={"fields": fields})
    try:
        loaded = _pipelines(settings, metrics, registry, decoder)
    except BaseException:
        decoder.close()
        raise
    if loaded.fallback is not None:
        service_logger.warning("the GPU is not used", extra={"fields": {"reason": loaded.fallback}})
    return loaded


def load_beside(settings: Settings, metrics: Metrics, current: Loaded) -> Loaded:
    """Load the bundles that there are now, with the decoder of ``current``, and try every speech model.

    Raises:
        ReloadRefused: a model does not answer as it should, or takes :data:`SLOWEST` times as long.
        Exception: as of :func:`load`.
    """
    loaded = _pipelines(settings, metrics, _registry(settings), current.decoder)
    try:
        _try(loaded, current, settings.limits.deadline_s)
    except BaseException:
        loaded.close()
        raise
    return loaded


class LoadedInUse:
    """The models of the service; those that were replaced are closed when nothing uses them any more.

    Attributes:
        current: None until they are loaded.
    """

    def __init__(self, current: Loaded | None) -> None:
        self.current = current
        self._lock = threading.Lock()
        self._users: dict[int, int] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the present models open for the length of a ``with`` block."""
        with self._lock:
            key = id(self.current)
            self._users[key] = self._users.get(key, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._users[key] -= 1

    def replace(self, loaded: Loaded) -> Callable[[], None]:
        """Let ``loaded`` answer from now on; what is returned waits for the last user of those before, and closes them.

        Only one replacement is under way at a time.
        """
        with self._lock:
            before, self.current = self.current, loaded

        def retire() -> None:
            if before is None:
                return
            # Work of a caller who has gone may still hold seconds of sound, or wait for the device.
            while self._users.get(id(before)) or before.pipeline.admission.held_s or before.pipeline.waiting_windows:
                time.sleep(LOOK_S)
            self._users.pop(id(before), None)
            before.close()

        return retire


def _registry(settings: Settings) -> Registry:
    from service.registry import BundleError, Registry

    registry = Registry.load(settings)
    if not registry.bundles:
        raise BundleError(f"there is no model that may be served in {', '.join(map(str, settings.model_dirs))}")
    return registry


def _pipelines(settings: Settings, metrics: Metrics, registry: Registry, decoder: Decoder) -> Loaded:
    from service.pipeline.device.session import why_fallen_back
    from service.pipeline.speech_pipeline import SpeechPipeline

    pipeline = SpeechPipeline(settings, registry, decoder, observe=metrics.observe_pipeline)
    try:
        pipeline.warm_up()
        affect = load_affect(settings, registry, decoder, pipeline, metrics.observe_pipeline)
    except BaseException:
        pipeline.close()
        raise
    return Loaded(registry, decoder, pipeline, affect, why_fallen_back(settings.device))


def _try(loaded: Loaded, current: Loaded, patience_s: float) -> None:
    for bundle in loaded.registry.of_task("speech-emotion"):
        try:
            judge_probe(loaded.pipeline, bundle, patience_s)
        except Exception as error:
            raise ReloadRefused(f"{bundle.card.name}/{bundle.card.version}: {error}") from error
    took_s, before_s = _least_time_s(loaded, patience_s), _least_time_s(current, patience_s)
    if took_s > SLOWEST * before_s:
        raise ReloadRefused(
            f"the default model takes {1000 * took_s:.0f} ms for 3 s of sound, the present one {1000 * before_s:.0f} ms"
        )


def _least_time_s(loaded: Loaded, patience_s: float) -> float:
    default, times_s = loaded.registry.find(), []
    for _ in range(3):
        began_s = time.monotonic()
        judge_probe(loaded.pipeline, default, patience_s)
        times_s.append(time.monotonic() - began_s)
    return min(times_s)
