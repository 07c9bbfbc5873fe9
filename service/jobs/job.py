"""A job as plain data: its id, its state, its options and its row in the ledger."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import secrets
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Final, Literal

from service.pipeline.audio_options import AudioOptions
from service.pipeline.video.video_results import VideoOptions
from service.problems import Unprocessable
from service.settings import KeyLimits

ID_BYTES: Final = 20
"""Random bytes of an id: 160 bits, because whoever knows the id may read the result."""

_ID = re.compile(r"[A-Za-z0-9_-]{27}")


def new_job_id() -> str:
    """A random id of 27 characters."""
    return secrets.token_urlsafe(ID_BYTES)


def is_job_id(text: str) -> bool:
    """Whether ``text`` has the form of an id."""
    return _ID.fullmatch(text) is not None


_CURSOR: Final = struct.Struct(">d16s")

CURSOR_PATTERN: Final = "^[A-Za-z0-9_-]{32}$"
"""Form of a cursor."""


def handle_of(job_id: str) -> str:
    """A job's name in folders, workflows and logs; the id cannot be recovered from it."""
    return hashlib.sha256(job_id.encode()).hexdigest()[:32]


def cursor_of(job: Job) -> str:
    """A place in the list of jobs, behind ``job``; it stays one when the job is forgotten."""
    return base64.urlsafe_b64encode(_CURSOR.pack(job.created_s, bytes.fromhex(job.handle))).decode()


def read_cursor(text: str) -> tuple[float, str]:
    """Time and handle of the job that :func:`cursor_of` was given.

    Raises:
        Unprocessable: the text is no cursor; with the pointer '/cursor'.
    """
    created_s, handle = _CURSOR.unpack(base64.urlsafe_b64decode(text)) if _is_cursor(text) else (math.nan, b"")
    if not math.isfinite(created_s):
        raise Unprocessable("cursor must be the next_cursor of an answer.", pointer="/cursor")
    return created_s, handle.hex()


def _is_cursor(text: str) -> bool:
    return re.fullmatch(CURSOR_PATTERN, text) is not None


class JobState(StrEnum):
    """State of a job. Clients see these names; they never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self not in UNFINISHED


UNFINISHED: Final = (JobState.QUEUED, JobState.RUNNING)

NEXT: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.SUCCEEDED: frozenset({JobState.EXPIRED}),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.EXPIRED: frozenset(),
}
"""Permitted changes of state. A job whose result is deleted becomes 'expired'."""


def states_before(state: JobState) -> tuple[JobState, ...]:
    """States from which a job may enter ``state``."""
    return tuple(before for before, after in NEXT.items() if state in after)


MORE: Final = "more"
"""Outcome of a step: the part has more segments."""
LAST: Final = "last"
"""Outcome of a step: the part is done."""
ENDED: Final = "ended"
"""Outcome of a step: the job has ended. The engine stores these three words and nothing else."""


JobKind = Literal["audio-emotion", "video-affect"]
JobOptions = AudioOptions | VideoOptions


class Standing(StrEnum):
    """The engine's action on a job."""

    UNKNOWN = "unknown"
    """It was never submitted."""
    UNDER_WAY = "under way"
    BROKEN_OFF = "broken off"
    """No thread runs its workflow: a step, or the workflow's beginning, could not be written down."""
    GIVEN_UP = "given up"
    """It was begun so often that it may be what ends the process."""


@dataclass(frozen=True)
class Job:
    """One row of the ledger.

    Attributes:
        handle: its name inside the service; see :func:`handle_of`.
        id: its name for clients.
        caller: its owner.
        options: the request's parameters.
        size_bytes: size of the recording.
        state: see :class:`JobState`.
        progress: share of the work that is done and stored, 0…1.
        created_s, started_s, finished_s: seconds of the Unix epoch, or None.
        problem_code: code of the problem that it failed with, or None.
        job_key, result_key: wrapped keys of its files; None once destroyed.
        idempotency: hash of owner and idempotency key, or None.
        request_digest: hash of the options and recording sent with that key.
        key_limits: limits of the credentials that made it, where they have their own.
        callback: address that is told of its end, or None: none was given, or it has been told.
        callback_tries: failed attempts to tell it.
        callback_due_s: earliest time of the next attempt, seconds of the Unix epoch.
        holder: process that works on it, where several do; None where none does.
        lease: how often a process took it; writes under an older number are refused. None where one process works.
        leased_s: time of the last lease by the database's clock, seconds of the Unix epoch.
        next_step: part and number of the step to do next, as :func:`step_text` writes them; None for the first.
        is_new: whether the current request made it; not stored.
        knows_options: whether this release knows all options that a newer one stored.
    """

    handle: str
    id: str
    caller: str
    options: JobOptions
    size_bytes: int
    state: JobState
    progress: float
    created_s: float
    started_s: float | None = None
    finished_s: float | None = None
    problem_code: str | None = None
    job_key: bytes | None = None
    result_key: bytes | None = None
    idempotency: str | None = None
    request_digest: str | None = None
    key_limits: KeyLimits | None = None
    callback: str | None = None
    callback_tries: int | None = None
    callback_due_s: float | None = None
    holder: str | None = None
    lease: int | None = None
    leased_s: float | None = None
    next_step: str | None = None
    is_new: bool = False
    knows_options: bool = True

    @property
    def kind(self) -> JobKind:
        """Name of the call that made it."""
        return "audio-emotion" if isinstance(self.options, AudioOptions) else "video-affect"


def step_text(part: str, number: int) -> str:
    """A step as the ledger has it."""
    return f"{part} {number}"


def read_step(text: str | None, parts: Sequence[str]) -> tuple[str, int]:
    """The step that :func:`step_text` was given; the first of ``parts`` where there is none, or it is of no part."""
    part, _, number = (text or "").partition(" ")
    return (part, int(number)) if part in parts else (parts[0], 0)


def options_text(options: JobOptions) -> str:
    """Options as JSON, without the profile; equal options give equal texts."""
    options = replace(options, voice=None) if isinstance(options, AudioOptions) else replace(options, resting=None)
    values = asdict(options)
    if isinstance(options, VideoOptions):
        values["include"] = sorted(options.include)
    return json.dumps(values, sort_keys=True)


def read_options(kind: str, text: str) -> tuple[JobOptions, bool]:
    """Options read back from :func:`options_text`, and whether this release knows all that were asked for."""
    values = json.loads(text)
    if "include" in values:
        values["include"] = frozenset(values["include"])
    options = AudioOptions if kind == "audio-emotion" else VideoOptions
    known = {field.name for field in fields(options)}
    knows_all = not any(value for name, value in values.items() if name not in known)
    return options(**{name: value for name, value in values.items() if name in known}), knows_all
