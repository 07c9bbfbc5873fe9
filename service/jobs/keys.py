"""Keys of jobs as the database stores them: wrapped with the operator's key where one is set.

Destroying a job's key makes all copies of its files unreadable. Without an operator's key the stored key is the key
itself: whoever can read both the database and the spool can read recordings in work.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.jobs.cipher import KEY_BYTES, SpoolDamagedError
from service.settings import LEAST_SECRET_CHARACTERS

_NONCE_BYTES: Final = 12


class KeyWrap:
    """Wraps and unwraps keys with the operator's secret (``EMOSERVE_SPOOL_KEY``), or leaves them as they are.

    Attributes:
        fingerprint: equal texts tell equal secrets, and nothing else of them.

    Raises:
        ValueError: the secret is too short.
    """

    def __init__(self, secret: str | None) -> None:
        self._cipher: AESGCM | None = None
        self.fingerprint = "none"
        if secret is not None:
            if len(secret) < LEAST_SECRET_CHARACTERS:
                raise ValueError(f"EMOSERVE_SPOOL_KEY needs at least {LEAST_SECRET_CHARACTERS} characters")
            derived = HKDF(SHA256(), KEY_BYTES, None, b"emoserve job keys").derive(secret.encode())
            self._cipher = AESGCM(derived)
            self.fingerprint = HKDF(SHA256(), KEY_BYTES, None, b"emoserve fingerprint").derive(secret.encode()).hex()

    def wrap(self, key: bytes, handle: str) -> bytes:
        """The form in which the database stores ``key`` of the job ``handle``."""
        if self._cipher is None:
            return key
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, handle.encode())

    def unwrap(self, wrapped: bytes | None, handle: str) -> bytes:
        """The key from its stored form.

        Raises:
            SpoolDamagedError: the key was destroyed, or wrapped with another secret.
        """
        if wrapped is None:
            raise SpoolDamagedError
        if self._cipher is None:
            if len(wrapped) != KEY_BYTES:
                raise SpoolDamagedError
            return wrapped
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], handle.encode())
        except (InvalidTag, ValueError):
            raise SpoolDamagedError from None
