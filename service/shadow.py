"""A speech model that judges some uploads a second time, for a comparison in metrics alone."""

import threading
from dataclasses import replace

import numpy as np

from service.loaded import Loaded
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Cancelled, Work
from service.pipeline.results import AudioEmotion
from service.problems import Problem
from service.rollout import is_bound, is_drawn, named
from service.settings import Settings
from service.telemetry.logs import describe_exception, service_logger
from service.telemetry.metrics import Metrics


class Shadow:
    """Judges one upload at a time, after its answer was made; those that come meanwhile are passed over."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._busy = threading.Lock()

    def follow(
        self,
        loaded: Loaded,
        data: memoryview,
        asked: AudioOptions,
        options: AudioOptions,
        answer: AudioEmotion,
        draw: str,
    ) -> None:
        """Have an upload judged by the shadow, if it is drawn. Returns at once; raises nothing.

        Args:
            loaded: the models that answered.
            data: the upload, which is copied.
            asked: what the caller asked for; the shadow takes no part where that is bound to a model.
            options: what was done.
            answer: what it is compared with.
            draw: as of :func:`~service.rollout.is_drawn`.
        """
        if self._settings.shadow is None or is_bound(asked) or not is_drawn(draw, self._settings.shadow_share):
            return
        chosen = named(replace(options, model=None, version=None, rows=False), loaded.registry, self._settings.shadow)
        model = chosen.model or "", chosen.version or ""
        if model == (answer.model.name, answer.model.version):
            return
        if not self._busy.acquire(blocking=False):
            self._metrics.shadow_answers_total.labels(*model, "passed_over").inc()
            return
        arguments = loaded, bytes(data), chosen, model, answer
        threading.Thread(target=self._judge, args=arguments, name="shadow", daemon=True).start()

    def _judge(
        self, loaded: Loaded, data: bytes, options: AudioOptions, model: tuple[str, str], answer: AudioEmotion
    ) -> None:
        outcome = "failed"
        try:
            other = loaded.pipeline.analyse(data, options, Work.within(self._settings.limits.deadline_s))
            outcome = self._compare(model, answer, other)
        except (Problem, Cancelled):
            pass
        except Exception as error:
            fields = describe_exception(type(error), error.__traceback__)
            service_logger.error("the shadow failed", extra={"fields": fields})
        finally:
            self._busy.release()
            self._metrics.shadow_answers_total.labels(*model, outcome).inc()

    def _compare(self, model: tuple[str, str], answer: AudioEmotion, other: AudioEmotion) -> str:
        for mine, theirs in zip(answer.channels, other.channels, strict=True):
            if answer.labels == other.labels and mine.probabilities is not None and theirs.probabilities is not None:
                difference = float(np.abs(mine.probabilities - theirs.probabilities).max(initial=0.0))
                self._metrics.shadow_difference.labels(*model).observe(difference)
        agree = all(
            mine.emotion == theirs.emotion for mine, theirs in zip(answer.channels, other.channels, strict=True)
        )
        return "same_emotion" if agree else "other_emotion"
