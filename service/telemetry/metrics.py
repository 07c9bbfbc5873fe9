"""Prometheus metrics of one application. Base units, no label that a client can choose."""

import threading
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service.flags import Flag
from service.pipeline.results import AudioEmotion, ChannelEmotion

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# The OpenTelemetry HTTP buckets, continued to the default deadline of a request.
_DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120)
_STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
_SEGMENT_BUCKETS_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
_SHARE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

ANSWERS_TOGETHER: Final = 20
"""Answers of a model that are counted at once, so that no two looks at the metrics tell what one answer was."""

NO_EMOTION: Final = "none"
"""Stands for the emotion of a recording without speech, and of a model without classes."""


class Metrics:
    """Every metric, by its name without the prefix ``emotion_``; the registry is this object's own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests_total = self._counter("requests", "HTTP requests by route and status.", "route", "code")
        self.request_duration_seconds = Histogram(
            "emotion_request_duration_seconds",
            "From the request's headers to the end of the answer.",
            ["route"],
            buckets=_DURATION_BUCKETS_S,
            registry=self.registry,
        )
        self.stage_duration_seconds = Histogram(
            "emotion_stage_duration_seconds",
            "Time of one request in one stage.",
            ["stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=self.registry,
        )
        self.audio_seconds_total = self._counter("audio_seconds", "Seconds of media analysed.", "outcome")
        self.queue_depth = self._gauge("queue_depth", "Windows that wait for the device.")
        self.queue_audio_seconds = self._gauge("queue_audio_seconds", "Seconds of media in the system.")
        self.stream_sessions = self._gauge("stream_sessions", "Streams, those that wait to be resumed among them.")
        self.shed_total = self._counter("shed", "Requests refused for want of capacity.", "reason")
        self.batch_size = Histogram(
            "emotion_batch_size", "Windows run at once.", buckets=_BATCH_BUCKETS, registry=self.registry
        )
        self.batch_padding_ratio = Histogram(
            "emotion_batch_padding_ratio",
            "Share of a batch that is padding.",
            buckets=(0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
            registry=self.registry,
        )
        self.jobs_available = self._gauge("jobs_available", "1 while jobs are taken; NaN where they are switched off.")
        self.jobs_submitted_total = self._counter("jobs_submitted", "Recordings that became jobs.")
        self.jobs_finished_total = self._counter("jobs_finished", "Jobs that have ended.", "outcome")
        self.callbacks_total = self._counter(
            "callbacks", "Attempts to tell of the end of a job: delivered, failed, given_up.", "outcome"
        )
        self.jobs_queued = self._gauge("jobs_queued", "Jobs that wait.")
        self.jobs_running = self._gauge("jobs_running", "Jobs that have begun and not ended.")
        self.job_spool_bytes = self._gauge("job_spool_bytes", "Bytes of the jobs' encrypted files.")
        self.job_segment_seconds = Histogram(
            "emotion_job_segment_seconds",
            "From the beginning of a segment of a job, waiting for room included, until it is written down.",
            ["part"],
            buckets=_SEGMENT_BUCKETS_S,
            registry=self.registry,
        )
        self.decode_failures_total = self._counter("decode_failures", "Recordings refused, by problem.", "code")
        self.decode_worker_deaths_total = self._counter(
            "decode_worker_deaths", "Decoder processes that died, by signal.", "signal"
        )
        self.model_info = self._gauge(
            "model_info", "1 for each model that is loaded.", "name", "version", "sha256", "provider"
        )
        of_model = ("model", "version")
        self.answers_total = self._counter("answers", "Answers about voices, by emotion.", *of_model, "emotion")
        self.answers_uncertain_total = self._counter(
            "answers_uncertain", "Answers with the flag 'uncertain', those with 'no_speech' not among them.", *of_model
        )
        self.answer_probability = self._share("answer_probability", "Probability of the emotion answered.", *of_model)
        self.answer_speech_ratio = self._share("answer_speech_ratio", "Share of a recording that is voice.", *of_model)
        self._answers: dict[tuple[str, str], list[tuple[str, bool, float | None, float | None]]] = {}
        self._counting = threading.Lock()
        self.shadow_answers_total = self._counter(
            "shadow_answers", "Uploads of a shadow model, by how it answered beside the other.", *of_model, "outcome"
        )
        self.shadow_difference = self._share(
            "shadow_difference", "Largest difference of a probability where both have the same labels.", *of_model
        )
        self.ready = self._gauge("ready", "1 while the service should get traffic.")
        self.device_fallback = self._gauge("device_fallback", "1 while the CPU runs although a GPU is there.")
        self.gpu_memory_bytes = self._gauge("gpu_memory_bytes", "GPU memory in use, by every process; 0 on a CPU.")

    def observe_pipeline(self, name: str, value: float, labels: dict[str, str]) -> None:
        """Take a measurement of the pipeline; see :data:`Observe`. Unknown names are passed over. Thread-safe."""
        if name == "stage_seconds":
            self.stage_duration_seconds.labels(labels["stage"]).observe(value)
        elif name == "batch_windows":
            self.batch_size.observe(value)
        elif name == "batch_padding_ratio":
            self.batch_padding_ratio.observe(value)

    def answered(self, answer: AudioEmotion) -> None:
        """Count an answer about voices, each channel as one, once there are :data:`ANSWERS_TOGETHER`. Thread-safe."""
        model = answer.model.name, answer.model.version
        with self._counting:
            waiting = self._answers.setdefault(model, [])
            waiting += map(_counted, answer.channels)
            if len(waiting) < ANSWERS_TOGETHER:
                return
            del self._answers[model]
        for emotion, is_uncertain, probability, speech in waiting:
            self.answers_total.labels(*model, emotion).inc()
            self.answers_uncertain_total.labels(*model).inc(is_uncertain)
            if probability is not None:
                self.answer_probability.labels(*model).observe(probability)
            if speech is not None:
                self.answer_speech_ratio.labels(*model).observe(speech)

    def decoder_event(self, kind: str, value: str) -> None:
        """Count a 'failure' by the problem's code, or a 'worker_death' by the signal's name. Thread-safe."""
        if kind == "failure":
            self.decode_failures_total.labels(value).inc()
        elif kind == "worker_death":
            self.decode_worker_deaths_total.labels(value).inc()

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"emotion_{name}", text, labels, registry=self.registry)

    def _share(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"emotion_{name}", text, labels, buckets=_SHARE_BUCKETS, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"emotion_{name}", text, labels, registry=self.registry)


def _counted(channel: ChannelEmotion) -> tuple[str, bool, float | None, float | None]:
    """The emotion, whether others are plausible, its probability, and the share of voice."""
    probabilities, speech = channel.probabilities, channel.timeline.speech
    shares = np.zeros(0) if speech is None else speech[~np.isnan(speech)]
    return (
        channel.emotion or NO_EMOTION,
        Flag.UNCERTAIN in channel.flags,
        None if probabilities is None or not len(probabilities) else float(probabilities.max()),
        float(np.clip(shares.mean(), 0, 1)) if len(shares) else None,
    )
