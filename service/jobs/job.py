"""A job: what is asked, and what is known of it. Plain data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from service.jobs.states import JobState
from service.pipeline.results import AudioOptions
from service.pipeline.video.video_results import VideoOptions
from service.settings import KeyLimits

JobKind = Literal["audio-emotion", "video-affect"]
JobOptions = AudioOptions | VideoOptions


@dataclass(frozen=True)
class Job:
    """One row of the ledger.

    Attributes:
        handle: its name inside the service.
        id: its name outside.
        caller: whose it is.
        options: what is asked.
        size_bytes: of the recording.
        state: where it stands.
        progress: share that is done and written down, 0…1.
        created_s, started_s, finished_s: seconds of the Unix epoch, or None.
        problem_code: why it failed, or None.
        job_key, result_key: wrapped keys of its files; None once they are destroyed.
        request_digest: what an idempotency key stands for.
        key_limits: of the credentials that it was made with, where they have limits of their own.
        is_new: made by the very request that is being answered; in no row.
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
    is_new: bool = False

    @property
    def kind(self) -> JobKind:
        """Which call it stands for."""
        return "audio-emotion" if isinstance(self.options, AudioOptions) else "video-affect"


def options_text(options: JobOptions) -> str:
    """Options as JSON, the same text for the same options."""
    values = asdict(options)
    if isinstance(options, VideoOptions):
        values["include"] = sorted(options.include)
    return json.dumps(values, sort_keys=True)


def read_options(kind: str, text: str) -> JobOptions:
    """Options from their JSON."""
    values = json.loads(text)
    if kind == "audio-emotion":
        return AudioOptions(**values)
    return VideoOptions(**{**values, "include": frozenset(values["include"])})
