"""One service a folder: two would run the same jobs twice, or delete each other's files."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class StateLockedError(Exception):
    """Another process uses the folder."""


class StateLock:
    """Held from the beginning until :meth:`release` or the end of the process, however that comes.

    Args:
        folder: it is made if it is not there, for this user alone.
        setting: which names the folder.

    Raises:
        StateLockedError
        OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, setting: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise StateLockedError(f"another process uses {folder}: give this one its own {setting}") from None

    def release(self) -> None:
        """Let others have it."""
        os.close(self._file)
