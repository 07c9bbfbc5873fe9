"""Encrypted files: chunks of AES-256-GCM that can each be read alone.

A file begins with a salt. Its key is derived from the job's key, the salt and the file's name, so no two files share
a key, and a chunk's number serves as its nonce. The number and a mark on the last chunk are authenticated: a file
that was cut, reordered or swapped with another does not decrypt.
"""

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
CHUNK_BYTES: Final = 64 * 1024
CHUNKS_KEPT: Final = 16
"""Decrypted chunks that a reader caches: a demuxer moves back and forth between the tracks of a file."""


class SpoolDamagedError(Exception):
    """An encrypted file is missing, cut off or changed."""


def new_key() -> bytes:
    """A random key."""
    return os.urandom(KEY_BYTES)


def _cipher(key: bytes, salt: bytes, name: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, f"emoserve spool {name}".encode()).derive(key))


def _seal(number: int, last: bool) -> tuple[bytes, bytes]:
    """Nonce of a chunk, and the data authenticated with it."""
    return number.to_bytes(12, "big"), b"last" if last else b"more"


class EncryptedWriter:
    """Writes a file as its bytes arrive. Only :meth:`finish` completes it.

    Args:
        path: where to write; must not exist.
        key: the job's key.
        name: name that the file is read by later, where it differs from that of ``path``.
    """

    def __init__(self, path: Path, key: bytes, name: str | None = None) -> None:
        salt = os.urandom(SALT_BYTES)
        self._cipher = _cipher(key, salt, name or path.name)
        self._waiting = bytearray()
        self._number = 0
        self.size_bytes = 0
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._file.write(salt)

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Append bytes."""
        self._waiting += content
        self.size_bytes += len(content)
        while len(self._waiting) > CHUNK_BYTES:  # keep one chunk back: the last one is marked
            self._put(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write the last chunk and wait until the whole file is on the disk."""
        self._put(bytes(self._waiting), last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, content: bytes, *, last: bool) -> None:
        nonce, marks = _seal(self._number, last)
        self._file.write(self._cipher.encrypt(nonce, content, marks))
        self._number += 1


class EncryptedReader:
    """Reads any part of a file. Thread-safe; a :class:`~service.pipeline.decoding.remote_file.ByteSource`.

    Args:
        path: the file.
        key: the job's key.
        name: name that it was written for, where that differs from that of ``path``.

    Raises:
        SpoolDamagedError: the file is missing or no encrypted file.
    """

    def __init__(self, path: Path, key: bytes, name: str | None = None) -> None:
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError:
            raise SpoolDamagedError from None
        content = os.fstat(self._file).st_size - SALT_BYTES
        self._chunks = -(-content // (CHUNK_BYTES + TAG_BYTES))
        self._size = content - self._chunks * TAG_BYTES
        if self._size < 0 or self._chunks < 1:
            os.close(self._file)
            raise SpoolDamagedError
        self._cipher = _cipher(key, os.pread(self._file, SALT_BYTES, 0), name or path.name)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Size of the content in bytes."""
        return self._size

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start`` on; fewer only at the end.

        Raises:
            SpoolDamagedError: they were changed.
        """
        stop = min(start + size, self._size)
        if start >= stop:
            return b""
        first = start // CHUNK_BYTES
        parts = [self._chunk(number) for number in range(first, (stop - 1) // CHUNK_BYTES + 1)]
        return b"".join(parts)[start - first * CHUNK_BYTES : stop - first * CHUNK_BYTES]

    def read_all(self) -> bytes:
        """The whole content. Raises SpoolDamagedError if it was changed."""
        return b"".join(self._decrypt(number) for number in range(self._chunks))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _chunk(self, number: int) -> bytes:
        with self._lock:
            content = self._kept.pop(number, None)
            if content is None:
                content = self._decrypt(number)
            self._kept[number] = content
            while len(self._kept) > CHUNKS_KEPT:
                self._kept.popitem(last=False)
            return content

    def _decrypt(self, number: int) -> bytes:
        stored = CHUNK_BYTES + TAG_BYTES
        nonce, marks = _seal(number, number == self._chunks - 1)
        try:
            return self._cipher.decrypt(nonce, os.pread(self._file, stored, SALT_BYTES + number * stored), marks)
        except (InvalidTag, OSError):
            raise SpoolDamagedError from None
