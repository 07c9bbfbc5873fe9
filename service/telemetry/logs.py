"""Structured logs: one JSON object a line, of fields that are named here, never of content."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import orjson

request_logger = logging.getLogger("service.requests")
service_logger = logging.getLogger("service")

# These quote the bytes that they stumble over.
_LOGGERS_THAT_QUOTE = ("python_multipart", "multipart")


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send all logs of this process from ``level`` on to ``stream`` (standard error) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("service", "uvicorn.error"):
        logging.getLogger(name).setLevel(level.upper())
    # Requests that the parser refuses have a line of their own among the requests.
    logging.getLogger("service.http").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").disabled = True
    for name in _LOGGERS_THAT_QUOTE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class JsonFormatter(logging.Formatter):
    """One line a record: ``ts``, ``level``, ``logger``, ``message`` and the record's ``fields``.

    Of an exception only its type and the places in the code are written: its text could quote an upload.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Render ``record``."""
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0]:
            line.update(describe_exception(record.exc_info[0], record.exc_info[2]))
        return orjson.dumps(line, default=str).decode()


def describe_exception(kind: type[BaseException], trace: TracebackType | None) -> dict[str, object]:
    """Type and places of an exception, without its text."""
    frames = traceback.extract_tb(trace)
    return {
        "exception": f"{kind.__module__}.{kind.__qualname__}",
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
