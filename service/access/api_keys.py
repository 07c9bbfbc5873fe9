"""Checking an API key, in the same time whatever is wrong with it."""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from service.access.caller import Caller
from service.access.key_file import KeyEntry, digest_of, id_in, parse_key_file
from service.access.watched_file import WatchedFile
from service.problems import Unauthenticated

_NO_DIGEST = bytes(32)
"""Digest compared when no key matches, so that both cases take the same time. No key hashes to it."""


class ApiKeys:
    """The keys in a file (see :mod:`service.access.key_file`), read again when it changes."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._file = WatchedFile(path, keys_by_id)
        self._now = now

    def load(self) -> None:
        """Read the file. Raises OSError or FileInvalid if it cannot be used."""
        self._file.load()

    def identify(self, key: str) -> Caller:
        """Find the owner of a key.

        Raises:
            Unauthenticated: nobody's, expired or revoked; which of them is not told.
        """
        presented = digest_of(key)
        entry = self._file.current().get(id_in(key) or "")
        expected = _NO_DIGEST if entry is None else bytes.fromhex(entry.sha256)
        is_equal = hmac.compare_digest(presented, expected)
        if entry is None or not is_equal or not entry.is_active(self._now()):
            raise Unauthenticated
        return Caller(entry.id, entry.owner, frozenset(entry.scopes), entry.limits)


def keys_by_id(content: bytes) -> dict[str, KeyEntry]:
    """The keys of a file's content by their ids, so that a request costs the same however many there are.

    Raises:
        FileInvalid: as :func:`parse_key_file`.
    """
    return {entry.id: entry for entry in parse_key_file(content).keys}
