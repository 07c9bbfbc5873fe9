"""All kinds of credentials that are set up, behind one question."""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.access.caller import ANONYMOUS, Caller
from service.access.credentials import find_credentials
from service.access.key_file import KeyEntry, digest_of, id_in, parse_key_file
from service.access.token_keys import FetchedKeys, FileKeys, TokenKeys
from service.access.tokens import Tokens
from service.access.watched_file import WatchedFile
from service.problems import Unauthenticated
from service.settings import Settings

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


class Authenticator:
    """Identifies the sender of a request, by ``keys_file`` and the ``jwt_`` settings.

    Raises:
        FileInvalid: the issuer's address is not safe to fetch keys from.
    """

    def __init__(self, settings: Settings) -> None:
        self.is_required = settings.protected
        self._api_keys = ApiKeys(settings.keys_file) if settings.keys_file is not None else None
        self._tokens: Tokens | None = None
        if settings.jwt_issuer is not None and settings.jwt_audience is not None:
            keys: TokenKeys = (
                FetchedKeys(settings.jwt_issuer) if settings.jwt_keys_file is None else FileKeys(settings.jwt_keys_file)
            )
            self._tokens = Tokens(settings.jwt_issuer, settings.jwt_audience, keys)

    def load(self) -> None:
        """Read what is needed to check credentials. Blocks.

        Raises:
            OSError, FileInvalid: it cannot be used.
        """
        if self._api_keys is not None:
            self._api_keys.load()
        if self._tokens is not None:
            self._tokens.load()

    async def identify(self, scope: Mapping[str, Any]) -> Caller:
        """Find the sender of the request in an ASGI scope; ANONYMOUS where no credentials are set up.

        Raises:
            Unauthenticated: no valid credentials.
            Unavailable: tokens cannot be checked just now.
        """
        if not self.is_required:
            return ANONYMOUS
        credentials = find_credentials(scope)
        if credentials.is_key:
            if self._api_keys is None:
                raise Unauthenticated
            return self._api_keys.identify(credentials.text)
        if self._tokens is None:
            raise Unauthenticated
        # In a thread, for an unknown key id has the issuer's keys fetched.
        return await asyncio.to_thread(self._tokens.identify, credentials.text)
