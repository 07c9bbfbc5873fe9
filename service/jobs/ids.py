"""Names of jobs: what a client holds, and what is written down."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

ID_BYTES: Final = 20
"""160 bits: whoever knows a job's id may read its result, so nobody can guess one."""

_ID = re.compile(r"[A-Za-z0-9_-]{27}")


def new_job_id() -> str:
    """An id that nobody can guess, 27 characters."""
    return secrets.token_urlsafe(ID_BYTES)


def is_job_id(text: str) -> bool:
    """Whether ``text`` has the form of an id."""
    return _ID.fullmatch(text) is not None


def handle_of(job_id: str) -> str:
    """The name of a job in folders, workflows and logs, from which its id cannot be found."""
    return hashlib.sha256(job_id.encode()).hexdigest()[:32]
