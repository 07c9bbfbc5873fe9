"""The issuer's public keys: from a file, or fetched by OpenID Connect discovery and kept."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any, Final, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit

from service.access.watched_file import FileInvalid, WatchedFile
from service.problems import Unavailable
from service.telemetry.logs import service_logger

FETCH_TIMEOUT_S: Final = 5.0
FETCH_RETRY_S: Final = 1.0
"""Seconds after which to send a token again whose key may be among those being fetched."""
LEAST_INTERVAL_S: Final = 60.0
"""Least interval between two fetches for unknown key ids, which cost nothing to make up."""
LONGEST_AGE_S: Final = 3600.0
"""Age at which keys are fetched again in any case, so that a withdrawn key goes out of use."""
MAX_BYTES: Final = 1024 * 1024
KEY_TYPES: Final = frozenset({"RSA", "EC"})
"""Key types accepted: public keys alone; a symmetric one in the set is ignored."""

Jwk = Mapping[str, Any]
Fetch = Callable[[str], bytes]


class TokenKeys(Protocol):
    """Finds public keys by their id."""

    def load(self) -> None:
        """Read or fetch the keys before they are needed.

        Raises:
            OSError, FileInvalid: a file that cannot be used.
        """

    def find(self, key_id: str | None) -> Jwk | None:
        """The key of that id, or the only key for tokens that name none. May block for a fetch.

        Raises:
            Unavailable: there are no keys at all yet.
        """


class FileKeys:
    """Keys of a JWKS file, for machines without a way out.

    Args:
        path: the file; read again when it has changed.
    """

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, parse_keys)

    def load(self) -> None:
        """See :class:`TokenKeys`."""
        self._file.load()

    def find(self, key_id: str | None) -> Jwk | None:
        """See :class:`TokenKeys`."""
        return choose(self._file.current(), key_id)


class FetchedKeys:
    """Keys that the issuer publishes. Thread-safe; one call at a time fetches, and none waits for another's fetch.

    Args:
        issuer: address whose ``/.well-known/openid-configuration`` names the ``jwks_uri``.
        fetch: gets the content of an address, replaced in tests.
        clock: monotonic seconds, replaced in tests.

    Raises:
        FileInvalid: the issuer's address is neither https nor on this machine.
    """

    def __init__(self, issuer: str, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        if not is_safe_address(issuer):
            raise FileInvalid("EMOSERVE_JWT_ISSUER must be an https address to fetch keys from")
        self._issuer = issuer
        self._fetch = fetch or fetch_safely
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[Jwk, ...] = ()
        self._tried_at: float | None = None
        self._fetched_at = 0.0

    def load(self) -> None:
        """Fetch ahead; an issuer that is away now is asked again when a token comes."""
        self._refresh()

    def find(self, key_id: str | None) -> Jwk | None:
        """See :class:`TokenKeys`."""
        found = choose(self._keys, key_id)
        if found is None or self._clock() - self._fetched_at > LONGEST_AGE_S:
            is_fetching = not self._refresh()
            found = choose(self._keys, key_id)
            if found is None and is_fetching:
                raise Unavailable("The issuer's keys are being fetched.", retry_after_s=FETCH_RETRY_S)
        if not self._keys:
            raise Unavailable("The issuer's keys cannot be fetched.", retry_after_s=LEAST_INTERVAL_S)
        return found

    def _refresh(self) -> bool:
        """Fetch the keys, if it is time to; False where another call is at it.

        That one is not waited for: tokens of made-up keys would take all threads while an issuer hangs, and keep
        those out whose keys are known.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            now = self._clock()
            if self._tried_at is None or now - self._tried_at >= LEAST_INTERVAL_S:
                self._tried_at = now
                self._keys = parse_keys(self._fetch(self._keys_address()))
                self._fetched_at = now
        except (OSError, ValueError, FileInvalid) as error:
            fields = {"exception": type(error).__name__}
            service_logger.error("the issuer's keys cannot be fetched", extra={"fields": fields})
        finally:
            self._lock.release()
        return True

    def _keys_address(self) -> str:
        configuration = json.loads(self._fetch(self._issuer.rstrip("/") + "/.well-known/openid-configuration"))
        if not isinstance(configuration, dict) or configuration.get("issuer") != self._issuer:
            raise FileInvalid("the discovery document is of another issuer")
        return str(configuration.get("jwks_uri", ""))


def parse_keys(content: bytes) -> tuple[Jwk, ...]:
    """The public keys of a JWKS document that may sign.

    Raises:
        FileInvalid: it is none, or holds no such key.
    """
    try:
        document = json.loads(content)
        entries = document["keys"]
        keys = tuple(entry for entry in entries if entry.get("kty") in KEY_TYPES and entry.get("use", "sig") == "sig")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise FileInvalid("JWKS: not a key set") from None
    if not keys:
        raise FileInvalid("JWKS: no RSA or EC key that may sign")
    return keys


def choose(keys: tuple[Jwk, ...], key_id: str | None) -> Jwk | None:
    """The key of that id; a token without one can only mean a single key."""
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.get("kid") == key_id), None)


def is_safe_address(address: str) -> bool:
    """Whether nobody on the way can change what comes from there: https, or this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")


def fetch_safely(address: str) -> bytes:
    """Content of ``address``, at most ``MAX_BYTES``, by a safe way only, also after redirects.

    Raises:
        OSError: it cannot be had.
    """
    if not is_safe_address(address):
        raise OSError("the address is not safe")
    opener = urllib.request.build_opener(_SafeRedirects)
    response: HTTPResponse
    with opener.open(address, timeout=FETCH_TIMEOUT_S) as response:
        content = response.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError("the answer is too large")
    return content


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not is_safe_address(newurl):
            raise HTTPError(newurl, code, "redirected to an address that is not safe", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
