"""A small file that is read again whenever it has changed."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from service.telemetry.logs import service_logger

Content = TypeVar("Content")


class FileInvalid(Exception):
    """A file of credentials that cannot be used; the message is one line for the operator."""


class WatchedFile(Generic[Content]):
    """The parsed content of a file, read again when the file changes. Thread-safe.

    An unusable change is logged once and leaves the former content in force; it is not parsed again before the next
    change. A half-written file neither locks everybody out nor takes time from every request.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], Content]) -> None:
        self._path = path
        self._parse = parse
        self._lock = threading.Lock()
        self._mark: tuple[int, ...] | None = None
        self._content: Content | None = None
        self._is_broken = False

    def load(self) -> Content:
        """Read the file now.

        Raises:
            OSError: it cannot be read.
            FileInvalid: it cannot be used.
        """
        with self._lock:
            mark = self._mark_now()
            written = self._path.read_bytes()
            self._mark = mark
            self._content = content = self._parse(written)
            self._is_broken = False
            return content

    def current(self) -> Content:
        """The newest content that could be read. One ``stat`` where nothing has changed.

        Raises:
            OSError, FileInvalid: it could never be read.
        """
        content = self._content
        if content is None:
            return self.load()
        try:
            if self._mark_now() == self._mark:
                return content
            content = self.load()
            service_logger.info("credentials read again")
        except (OSError, FileInvalid) as error:
            with self._lock:
                is_news, self._is_broken = not self._is_broken, True
                if isinstance(error, OSError):
                    self._mark = None
            if is_news:
                fields = {"reason": str(error) if isinstance(error, FileInvalid) else error.strerror}
                service_logger.error("credentials cannot be read; the former stay in force", extra={"fields": fields})
        return content

    def _mark_now(self) -> tuple[int, ...]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
