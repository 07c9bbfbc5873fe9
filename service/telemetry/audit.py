"""The audit log: who did what, when, with which model, and how it ended; never content.

HIPAA 45 CFR 164.312(b) asks for a record that can be examined. One JSON object a line, in a log of its own that is
only ever appended to; keeping it is the operator's part (docs/privacy.md).
"""

import logging
import os
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from service.problems import AuditUnavailable, Problem
from service.telemetry.logs import request_logger, service_logger

STANDARD_OUTPUT: Final = "-"


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One line. By design no field holds an address, a file name, a query or a result.

    Attributes:
        request_id: as in the answer and the request log.
        key_id: see :class:`service.access.caller.Caller`.
        action: the operation's name in the OpenAPI document, or 'refused' for a request that reached no route.
        route: the route's template, never the requested address.
        status: status of the answer; 499 where the client left before it.
        code: 'ok' or the problem's code.
        models: name/version@sha256 of the models that answered.
        body_bytes: size of the request body.
        media_s: seconds of media, where known.
        latency_s: seconds from the headers to the end of the answer.
    """

    request_id: str
    key_id: str
    action: str
    route: str
    status: int
    code: str
    models: tuple[str, ...] = ()
    body_bytes: int | None = None
    media_s: float | None = None
    latency_s: float | None = None


def log_request(entry: AuditEntry, trace_id: str | None = None, *, level: int = logging.INFO) -> None:
    """Write the request's line into the log of requests, at ``level``; a bug is an error in any case."""
    fields = {
        "request_id": entry.request_id,
        **({} if trace_id is None else {"trace_id": trace_id}),
        "route": entry.route,
        "status": entry.status,
        "code": entry.code,
        "duration_ms": None if entry.latency_s is None else round(entry.latency_s * 1000, 2),
        "bytes": entry.body_bytes,
        "media_s": entry.media_s,
    }
    request_logger.log(logging.ERROR if entry.status == 500 else level, "request", extra={"fields": fields})


class AuditLog:
    """Writes entries, each with one call to the operating system, so that lines never mix. Thread-safe.

    A file that log rotation moves away is made anew.

    Args:
        path: a file, '-' for standard output, or None to write nothing.
        required: whether requests are refused while lines cannot be written.
    """

    def __init__(self, path: str | None, *, required: bool = False) -> None:
        self._path = path
        self._required = required
        self._lock = threading.Lock()
        self._file: int | None = None
        self._mark: tuple[int, int] | None = None
        self._is_broken = False

    def open(self) -> None:
        """Open the file before the first line. Raises OSError if it cannot be written."""
        if self._path is not None and self._path != STANDARD_OUTPUT:
            with self._lock:
                self._reopen_if_moved()

    def problem(self) -> Problem | None:
        """Why nothing may be done now, or None. The refusal is itself tried to be written, which ends it."""
        return AuditUnavailable(retry_after_s=1.0) if self._required and self._is_broken else None

    def write(self, entry: AuditEntry) -> None:
        """Append one line. A failure is logged once, and tells :meth:`problem`."""
        if self._path is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = orjson.dumps({"ts": now, **asdict(entry)}, option=orjson.OPT_APPEND_NEWLINE)
        try:
            with self._lock:
                self._append(line)
        except (OSError, ValueError) as error:
            if not self._is_broken:
                service_logger.error("audit lines cannot be written", extra={"fields": {"reason": str(error)}})
            self._is_broken = True
        else:
            self._is_broken = False

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file = self._mark = None

    def _append(self, line: bytes) -> None:
        if self._path == STANDARD_OUTPUT:
            sys.stdout.write(line.decode())
            sys.stdout.flush()
            return
        if os.write(self._reopen_if_moved(), line) != len(line):
            raise OSError("the line was cut off")

    def _reopen_if_moved(self) -> int:
        assert self._path is not None
        try:
            status = os.stat(self._path)
            mark = (status.st_dev, status.st_ino)
        except FileNotFoundError:
            mark = None
        if self._file is None or mark != self._mark:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if self._file is not None:
                os.close(self._file)
            status = os.fstat(file)
            self._file, self._mark = file, (status.st_dev, status.st_ino)
        return self._file
