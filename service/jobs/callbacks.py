"""Notices of the end of jobs, sent to addresses that clients gave: Standard Webhooks (standardwebhooks.com), version 1.

What is still to send stands in the ledger, so that it outlives the process. A notice is sent at least once: it is sent
again with the same id if the answer to it was lost. It holds nothing of a recording or a result.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from service import __version__
from service.jobs.job import Job, JobState
from service.jobs.ledger import Ledger
from service.outgoing.address import Target, callback_permission, read_target
from service.outgoing.post import post
from service.problems import CallbackRefused
from service.settings import Settings, secret_bytes
from service.telemetry.logs import describe_exception, service_logger
from service.telemetry.metrics import Metrics

LOOK_S: Final = 1.0
"""Interval at which the ledger is asked for notices that are due."""

AT_ONCE: Final = 8
"""Notices sent at once, so that a host that does not answer holds up few others."""

WAITS_S: Final = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Waits after each failed attempt, up to a fifth longer; after the last of them a notice is given up (18 hours)."""

HOLD_S: Final = 60.0
"""Seconds in which no other process sends a notice that this one is sending; it takes 15 s at most."""

GONE: Final = 410
"""Status by which a receiver says that it wants no more notices (Standard Webhooks, "Delivery")."""

Post = Callable[[Target, bytes, Mapping[str, str]], int]
"""Sends a body with headers; returns the status of the answer."""


class Callbacks:
    """Sends notices in threads of its own, where the operator has named hosts for them.

    Args:
        ledger: where jobs are kept.
        settings: hosts, networks and secrets.
        metrics: the service's metrics.
        clock: seconds since the Unix epoch.
        send: how to send, replaced in tests.
    """

    def __init__(
        self, ledger: Ledger, settings: Settings, metrics: Metrics, clock: Callable[[], float], send: Post | None = None
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._secrets = [secret_bytes(secret.get_secret_value()) for secret in settings.callback_secrets]
        self._metrics = metrics
        self._clock = clock
        self._send = send or partial(post, networks=settings.callback_networks)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to look for notices that are due, those of an earlier process among them."""
        if self._settings.callback_hosts:
            self._thread = threading.Thread(target=self._run, name="job-callbacks", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Begin no more notices. One that is being sent is not waited for: where it is not noted, it is sent again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(LOOK_S)

    def look(self) -> None:
        """Send what is due, and wait for the answers."""
        due = self._ledger.take_due_callbacks(AT_ONCE, HOLD_S)
        threads = [threading.Thread(target=self._deliver, args=(job,), daemon=True) for job in due]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.look()
            except Exception as error:
                fields = describe_exception(type(error), error.__traceback__)
                service_logger.warning("callbacks wait", extra={"fields": fields})

    def _deliver(self, job: Job) -> None:
        """Send the notice of one job, and note what came of it."""
        assert job.callback is not None
        tries = (job.callback_tries or 0) + 1
        body = notice(job, self._settings.root_path)
        headers = signed_headers(job, body, self._secrets, int(self._clock()))
        host, reason, is_over = None, "", False
        try:
            target = read_target(job.callback, callback_permission(self._settings))
            host = target.host
            status = self._send(target, body, headers)
            is_over = status == GONE
            reason = "" if 200 <= status < 300 else f"status {status}"
        except CallbackRefused:
            reason, is_over = "no longer permitted", True
        except Exception as error:  # whatever it is, the next attempt comes later
            reason = type(error).__name__
        is_over = is_over or tries > len(WAITS_S)
        outcome = "delivered" if not reason else "given_up" if is_over else "failed"
        self._metrics.callbacks_total.labels(outcome).inc()
        if reason:  # the address may hold a secret, its host does not
            fields = {"job": job.handle, "host": host, "reason": reason, "attempt": tries, "outcome": outcome}
            service_logger.warning("a callback was not taken", extra={"fields": fields})
        with contextlib.suppress(SQLAlchemyError):  # it is sent once more, with the same id
            if outcome == "failed":
                wait_s = WAITS_S[tries - 1] * random.uniform(1.0, 1.2)
                self._ledger.put_off_callback(job.handle, tries, self._clock() + wait_s)
            else:
                self._ledger.end_callback(job.handle)


def notice(job: Job, root_path: str) -> bytes:
    """Body of the notice of a job that has ended: its id, its state and where to read more."""
    address = f"{root_path}/v1/jobs/{job.id}"
    links = {"job": address, **({"result": f"{address}/result"} if job.state is JobState.SUCCEEDED else {})}
    ended = datetime.fromtimestamp(job.finished_s or job.created_s, UTC)
    document = {
        "type": f"job.{job.state.value}",
        "timestamp": ended.isoformat(timespec="milliseconds"),
        "data": {"id": job.id, "kind": job.kind, "state": job.state.value, "links": links},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def signed_headers(job: Job, body: bytes, secrets: Sequence[bytes], now_s: int) -> dict[str, str]:
    """Headers of a notice; ``webhook-id`` is the same in every attempt, and one signature stands for each secret."""
    name = f"msg_{job.handle}"
    content = b"%s.%d.%s" % (name.encode(), now_s, body)
    signatures = [
        f"v1,{base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()}" for secret in secrets
    ]
    return {
        "Content-Type": "application/json",
        "User-Agent": f"emoserve/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(signatures),
    }
