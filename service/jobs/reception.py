"""Upload of a job's recording: hashed and encrypted as it arrives, made a job once complete."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from service.jobs.cipher import EncryptedWriter
from service.jobs.files import store_profile
from service.jobs.job import Job, JobOptions, handle_of, new_job_id, options_text
from service.jobs.spool import Spool, no_space
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import VoiceProfile
from service.problems import MediaEmpty
from service.settings import KeyLimits

FLUSH_BYTES = 1024 * 1024
"""Bytes collected in memory before they are encrypted and written."""


class Reception:
    """Takes in one recording. :meth:`flush`, :meth:`finish` and :meth:`abandon` block.

    Args:
        spool: stores the recording.
        accept: makes the complete recording a job, or finds the job that the same request made before.
        options: the request's parameters.
        caller: owner of the new job.
        key_limits: limits of the caller's credentials, where they have their own.
        idempotency_key: the request's, or None.
        key: a fresh key for the job's files.
        callback: address that is told of the job's end, or None.
    """

    def __init__(
        self,
        spool: Spool,
        accept: Callable[[Reception, EncryptedWriter], Job],
        options: JobOptions,
        caller: str,
        key_limits: KeyLimits | None,
        idempotency_key: str | None,
        key: bytes,
        callback: str | None = None,
    ) -> None:
        self._spool = spool
        self._accept = accept
        self.options = options
        self.caller = caller
        self.key_limits = key_limits
        self.key = key
        self.callback = callback
        self.id = new_job_id()
        self.handle = handle_of(self.id)
        self.idempotency = None
        if idempotency_key is not None:
            self.idempotency = hashlib.sha256(f"{caller}\0{idempotency_key}".encode()).hexdigest()
        kind = type(options).__name__
        # Keyed by what the client alone knows: a plain hash of a recording could be recognised.
        self._digest = hmac.new((idempotency_key or self.id).encode(), digestmod=hashlib.sha256)
        self._digest.update(f"{kind}\0{options_text(options)}\0{callback or ''}".encode())
        self.is_job = False
        self._waiting = bytearray()
        self._files = spool.create_job(self.handle, key)
        self._writer = self._files.write_upload()

    def extend(self, content: bytes | memoryview) -> None:
        """Take the next bytes of the recording."""
        self._waiting += content

    @property
    def is_full(self) -> bool:
        """Whether enough bytes are collected to flush."""
        return len(self._waiting) >= FLUSH_BYTES

    @property
    def size_bytes(self) -> int:
        """Bytes received so far."""
        return self._writer.size_bytes + len(self._waiting)

    @property
    def digest(self) -> str:
        """Hash of options and recording, compared where two requests share an idempotency key."""
        return self._digest.hexdigest()

    def flush(self) -> None:
        """Encrypt and write the collected bytes. Raises NoSpace if the disk is full."""
        waiting, self._waiting = self._waiting, bytearray()
        self._digest.update(waiting)
        self._spool.check_space(len(waiting))
        with no_space():
            self._writer.write(waiting)

    def take_options(self, options: JobOptions) -> None:
        """Take the options again where the body told more of them; a profile is kept among the job's files.

        Raises:
            NoSpace: the disk is full.
        """
        self.options = options
        profile = options.voice if isinstance(options, AudioOptions) else options.resting
        if profile is not None:
            numbers = profile.statistics if isinstance(profile, VoiceProfile) else profile.mean
            self._digest.update(numbers.tobytes())
            store_profile(self._files, profile)

    def finish(self) -> Job:
        """Make the recording a job, or find the one that the same request made before.

        Raises:
            MediaEmpty: no bytes came.
            NoSpace: the disk is full.
            IdempotencyConflict: the key was used for another request.
        """
        if not self.size_bytes:
            raise MediaEmpty
        self.flush()
        return self._accept(self, self._writer)

    def abandon(self) -> None:
        """Delete the recording, unless it has become a job."""
        self._writer.close()
        if not self.is_job:
            self._spool.destroy(self.handle)
