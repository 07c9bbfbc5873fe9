"""The long-lived objects of one application, built once at start-up and handed to the routers."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastapi import Request

from service.access.accounts import Accounts
from service.access.authenticator import Authenticator
from service.health import Health
from service.http.work_pool import UploadMemory, WorkPool
from service.jobs.place import JobPlace
from service.loaded import Loaded, LoadedInUse, load, load_beside
from service.problems import DecoderUnavailable, InferenceUnavailable, Problem, Unavailable
from service.settings import Settings
from service.shadow import Shadow
from service.streams.sessions import StreamSessions
from service.telemetry.audit import AuditLog
from service.telemetry.logs import service_logger
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import make_tracer

if TYPE_CHECKING:
    from service.jobs.jobs import Jobs


class Services:
    """The container. Health, metrics and work pool exist from the beginning, models once they are loaded.

    Args:
        settings: how to run.
        loaded: models that are ready already; None means that :meth:`start` loads them.

    Attributes:
        reloads: attempts to load the bundles anew.
        reload_problem: why the last attempt failed; None where it did not.
    """

    def __init__(self, settings: Settings, loaded: Loaded | None = None) -> None:
        self.settings = settings
        self.health = Health()
        self.metrics = Metrics()
        self.metrics.ready.set_function(lambda: float(self.readiness_problem() is None))
        self.work = WorkPool(threads=2 * settings.decode_workers + settings.max_batch)
        self.authenticator = Authenticator(settings)
        self.accounts = Accounts(settings.key_limits)
        self.audit = AuditLog(settings.audit_file, required=settings.audit_required)
        self.tracer = make_tracer(settings.otlp_endpoint, settings.otlp_sample_ratio)
        self.uploads = UploadMemory(
            settings.max_requests,
            settings.upload_memory_bytes,
            max_arriving=settings.max_uploads_per_sender or math.ceil(settings.max_requests / 2),
        )
        self._job_place = JobPlace(settings, self.metrics, self.accounts)
        self.metrics.jobs_available.set_function(self._job_place.availability)
        self.streams = StreamSessions(settings.limits.stream_resume_s)
        self.metrics.stream_sessions.set_function(lambda: len(self.streams))
        self.shadow = Shadow(settings, self.metrics)
        self._models = LoadedInUse(loaded)
        self._reloading = threading.Lock()
        self.reloads = 0
        self.reload_problem: str | None = None
        if loaded is not None:
            self._announce(loaded)

    @property
    def loaded(self) -> Loaded:
        """The models and what runs them. Raises Unavailable if they are not loaded yet."""
        if self._models.current is None:
            raise self.health.readiness_problem() or Unavailable()
        return self._models.current

    @contextmanager
    def models_held(self) -> Iterator[None]:
        """Keep the present models open for the length of a request or stream, whatever replaces them."""
        with self._models.held():
            yield

    @property
    def needs_start(self) -> bool:
        """Whether :meth:`start` is still to be called."""
        return self._models.current is None

    def start(self) -> None:
        """Load and warm everything up. Blocks for as long as that takes.

        Raises:
            Exception: whatever keeps the service from running; its text is one line for the operator.
        """
        self._models.replace(load(self.settings, self.metrics))
        self._announce(self.loaded)

    def reload(self) -> None:
        """Load the bundles anew beside those in use, try them, and let them take over; those in use stay on failure.

        Blocks until nothing uses the old ones any more. Jobs are taken up again with the new ones. What prevents it
        is logged and kept in :attr:`reload_problem`.
        """
        with self._reloading:
            try:
                loaded = load_beside(self.settings, self.metrics, self.loaded)
            except Exception as error:
                reason = " ".join(str(error).split())
                service_logger.error("the models in use stay", extra={"fields": {"reason": reason}})
                self.reload_problem = reason
                self.reloads += 1
                return
            retire = self._models.replace(loaded)
            self._announce(loaded)
            self.reload_problem = None
            self.reloads += 1
            service_logger.info("models taken over", extra={"fields": {"models": len(loaded.registry.bundles)}})
            self._job_place.reopen(loaded.pipeline, loaded.affect)
            retire()

    def prepare_access(self) -> None:
        """Read the credentials and open the audit log, so that a mistake in them is told before anybody is served.

        Raises:
            OSError, FileInvalid: a file cannot be used.
        """
        self.authenticator.load()
        self.audit.open()

    @property
    def jobs(self) -> Jobs:
        """Long recordings.

        Raises:
            JobsUnavailable: they are switched off, not ready yet, or cannot be kept.
        """
        return self._job_place.jobs

    def start_jobs(self) -> None:
        """Begin to take jobs, and go on with those of an earlier process. What prevents it is logged, no more."""
        self._job_place.open(self.loaded.pipeline, self.loaded.affect)

    def readiness_problem(self) -> Problem | None:
        """Why the service should get no traffic, or None: phase, models, decoder, device."""
        problem = self.health.readiness_problem()
        loaded = self._models.current
        if problem is not None or loaded is None:
            return problem
        if not loaded.decoder.worker_pids():
            return DecoderUnavailable(retry_after_s=1.0)
        if loaded.pipeline.stalled():
            return InferenceUnavailable(retry_after_s=1.0)
        return None

    def check_capacity(self) -> None:
        """Refuse work before its body is read, if it could not be done anyway.

        Raises:
            Unavailable: starting, stopping, or at capacity.
        """
        problem = self.health.work_problem()
        if problem is not None:
            raise problem
        self.loaded.pipeline.admission.check()

    def close(self) -> None:
        """Give everything back, in the order of the data flow."""
        self.work.close()
        self.audit.close()
        self.tracer.close()
        self._job_place.close()
        if self._models.current is not None:
            self._models.current.close()
            self._models.current.decoder.close()

    def _announce(self, loaded: Loaded) -> None:
        self.metrics.model_info.clear()
        for bundle in loaded.registry.bundles:
            self.metrics.model_info.labels(
                bundle.card.name, bundle.card.version, bundle.sha256, loaded.pipeline.provider
            ).set(1)
        self.metrics.device_fallback.set(loaded.fallback is not None)
        self.metrics.queue_depth.set_function(lambda: loaded.pipeline.waiting_windows)
        self.metrics.queue_audio_seconds.set_function(lambda: loaded.pipeline.admission.held_s)
        self.metrics.gpu_memory_bytes.set_function(loaded.pipeline.gpu_memory_bytes)
        self.health.started()


def services_of(request: Request) -> Services:
    """The services of the application that answers ``request``."""
    services: Services = request.app.state.services
    return services
