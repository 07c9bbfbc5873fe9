"""The file of API keys: hashes, never keys. Several may be active, so keys can be rotated."""

import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.access.caller import Scope
from service.access.watched_file import FileInvalid
from service.settings import KeyLimits

PREFIX = "emo"
SECRET_BYTES = 32
"""256 random bits, so one round of SHA-256 is enough: there is nothing to guess at."""

_ID = r"[a-z0-9][a-z0-9-]{0,39}"

KeyId = Annotated[str, StringConstraints(pattern=f"^{_ID}$")]


class KeyEntry(BaseModel):
    """One API key, without the key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: KeyId = Field(description="names the key in the audit log; never used twice")
    owner: KeyId = Field(description="whose key it is; keys of one owner share limits and jobs")
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] = Field(description="of the whole key")
    scopes: frozenset[Scope]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    limits: KeyLimits | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether the key may be used at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class KeyFile(BaseModel):
    """All keys that were ever made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[KeyEntry, ...] = ()

    def find(self, key_id: str) -> KeyEntry | None:
        """The key of that id, active or not."""
        return next((entry for entry in self.keys if entry.id == key_id), None)


def parse_key_file(content: bytes) -> KeyFile:
    """Read the file's content. Raises FileInvalid if it is no key file, or an id occurs twice."""
    try:
        keys = KeyFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise FileInvalid(f"key file: {'/'.join(map(str, first['loc']))}: {first['msg']}") from None
    if len({entry.id for entry in keys.keys}) < len(keys.keys):
        raise FileInvalid("key file: an id occurs twice")
    return keys


def read_key_file(path: Path) -> KeyFile:
    """Keys of the file at ``path``; none where there is no file.

    Raises:
        OSError, FileInvalid: it cannot be used.
    """
    return parse_key_file(path.read_bytes()) if path.exists() else KeyFile()


def write_key_file(path: Path, keys: KeyFile) -> None:
    """Replace the file in one step, readable for its owner alone. Raises OSError if it cannot be written."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(keys.model_dump_json(indent=2, exclude_none=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def new_key(
    key_id: str,
    scopes: Sequence[Scope],
    *,
    owner: str | None = None,
    expires_at: datetime | None = None,
    limits: KeyLimits | None = None,
) -> tuple[str, KeyEntry]:
    """Make a key.

    Returns:
        The key, which is nowhere else, and its entry.

    Raises:
        pydantic.ValidationError: the id or the owner is of other characters than a-z, 0-9 and '-'.
    """
    key = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    entry = KeyEntry(
        id=key_id,
        owner=owner or key_id,
        sha256=digest_of(key).hex(),
        scopes=frozenset(scopes),
        created_at=datetime.now(UTC).replace(microsecond=0),
        expires_at=expires_at,
        limits=limits,
    )
    return key, entry


def digest_of(key: str) -> bytes:
    """SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def id_in(key: str) -> str | None:
    """The id that a key carries, or None where it is no key of ours."""
    match = re.match(rf"{PREFIX}_({_ID})_", key)
    return match[1] if match else None
