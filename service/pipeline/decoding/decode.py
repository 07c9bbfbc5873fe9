"""Decoding of uploads to samples and frames, done in confined processes (see worker.py)."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from service.pipeline.decoding.confinement import Confinement
from service.pipeline.decoding.frame_stream import FrameReceiver, HandlerFailedError, OnFrame, VideoSummary
from service.pipeline.decoding.pool import OnMessage, WorkerDiedError, WorkerPool
from service.pipeline.decoding.protocol import Channel
from service.pipeline.media.containers import VIDEO_CODECS
from service.pipeline.media.intake import Container, sniff
from service.pipeline.media.sampling import AudioJob
from service.pipeline.media.video_frames import VideoJob
from service.pipeline.options import check_range
from service.pipeline.results import FloatArray, MediaInfo
from service.problems import (
    ContainerUnsupported,
    DecoderUnavailable,
    MediaCrashedDecoder,
    MediaInvalid,
    NoVideoStream,
    Problem,
)
from service.settings import Limits

MAX_KNOWN_CRASHERS: Final = 1024
"""Most files remembered because a decoder process died on them."""

JPEG_BEGINNING: Final = b"\xff\xd8\xff"

EXTERNAL_SIGNALS: Final = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"})
"""Signals sent from outside, by an operator or a kernel short of memory; the file is not to blame for them."""


@dataclass(frozen=True)
class DecodedAudio:
    """Samples of the requested range of a recording.

    Attributes:
        samples: float32 [channels, samples], C-contiguous, at the requested rate. Native samples lie within ±1;
            resampling may overshoot slightly.
        media: rate, channels and duration of the whole file.
        flags: 'clipped' (samples beyond full scale were cut), 'truncated' (ends before its header says),
            'damaged' (undecodable parts were left out).
    """

    samples: FloatArray
    media: MediaInfo
    flags: tuple[str, ...]


class Decoder:
    """Decodes uploads in a pool of confined processes. Thread-safe; every call blocks its thread.

    Args:
        limits: limits of one recording.
        workers: recordings decoded at once; as many videos beside them.
        on_event: called with ('failure', problem code) and ('worker_death', signal name or 'exit').
        is_strict: whether a kernel that lacks a layer of the confinement keeps it from starting.
    """

    def __init__(
        self,
        limits: Limits,
        workers: int,
        on_event: Callable[[str, str], None] | None = None,
        *,
        is_strict: bool = False,
    ) -> None:
        self._limits = limits
        self._on_event = on_event or (lambda *_: None)
        self._is_strict = is_strict
        self._crashers = _KnownCrashers()
        self._pool = WorkerPool(
            workers,
            limits.decode_memory_bytes,
            limits.decode_timeout_s,
            limits.deadline_s,
            lambda signal_name: self._on_event("worker_death", signal_name),
        )

    def start(self) -> None:
        """Start the processes, and wait until they are warm.

        Raises:
            DecoderUnavailable: they cannot be started, or are confined less than they have to be.
        """
        self._pool.start()
        missing = self.confinement.missing
        if self._is_strict and missing:
            self.close()
            raise DecoderUnavailable(f"EMOSERVE_SANDBOX is strict, and the kernel does not give {', '.join(missing)}.")

    @property
    def confinement(self) -> Confinement:
        """What confines the processes beside resource limits; no layer before :meth:`start`."""
        return self._pool.confinement or Confinement(seccomp=False, landlock=0, unprivileged=False)

    def close(self) -> None:
        """End the processes; running decodes fail with DecoderUnavailable."""
        self._pool.close()

    def worker_pids(self) -> list[int]:
        """Process ids of the live decoder processes; none means not ready."""
        return self._pool.pids()

    def audio(
        self, data: bytes | memoryview, *, target_rate_hz: int, start_s: float | None = None, end_s: float | None = None
    ) -> DecodedAudio:
        """Decode the sound of an upload, whole or from ``start_s`` to ``end_s`` (seconds).

        An ``end_s`` after the end of the recording means its end.

        Raises:
            Problem: the file cannot be decoded (413, 415, 422), the range is invalid (422, with a pointer), or the
                decoder failed (503, 504).
        """
        try:
            check_range(start_s, end_s)
            view = memoryview(data).cast("B")
            self._crashers.refuse(view)
            container = sniff(view)
            job = self._job(container, target_rate_hz, start_s, end_s)
            return self._decode(view, job)
        except Problem as problem:
            self._on_event("failure", problem.code)
            raise

    def video(self, data: bytes | memoryview, on_frame: OnFrame, *, timeout_s: float) -> VideoSummary:
        """Decode the pictures of an upload one at a time; the next is decoded while ``on_frame`` runs.

        Args:
            data: the upload.
            on_frame: called in this thread with each frame in turn. An exception ends the decoding and is raised here.
            timeout_s: seconds for the whole video, ``on_frame`` included.

        Raises:
            Problem: the file cannot be decoded (413, 415, 422), or the decoder failed (503, 504).
        """
        try:
            view = memoryview(data).cast("B")
            self._crashers.refuse(view)
            container = sniff(view)
            if container.name not in VIDEO_CODECS:
                raise NoVideoStream
            job = self._video_job(container)
            receiver = FrameReceiver(self._limits, on_frame)
            facts = self._run("video", asdict(job), view, receiver.receive, timeout_s, is_long=True)
        except HandlerFailedError as failure:
            raise failure.__cause__ or failure from None
        except Problem as problem:
            self._on_event("failure", problem.code)
            raise
        return VideoSummary(picture_media(facts, job.container), receiver.frames, flags_of(facts))

    def pictures(self, frames: Sequence[tuple[float, bytes]], on_frame: OnFrame, *, timeout_s: float) -> None:
        """Decode JPEG pictures of one stream.

        Args:
            frames: increasing time in seconds and bytes of each picture.
            on_frame: called in this thread with each frame.
            timeout_s: seconds for all pictures.

        Raises:
            ContainerUnsupported: a picture is no JPEG.
            Problem: a picture cannot be decoded, or the decoder failed.
        """
        try:
            if not all(content.startswith(JPEG_BEGINNING) for _, content in frames):
                raise ContainerUnsupported("A picture is no JPEG.")
            view = memoryview(b"".join(content for _, content in frames))
            self._crashers.refuse(view)
            arguments: dict[str, object] = {
                "times_s": [time_s for time_s, _ in frames],
                "sizes": [len(content) for _, content in frames],
                "max_frame_pixels": self._limits.max_frame_pixels,
            }
            receiver = FrameReceiver(self._limits, on_frame)
            self._run("pictures", arguments, view, receiver.receive, timeout_s)
        except HandlerFailedError as failure:
            raise failure.__cause__ or failure from None
        except Problem as problem:
            self._on_event("failure", problem.code)
            raise

    def _video_job(self, container: Container) -> VideoJob:
        limits = self._limits
        return VideoJob(
            container=container.name,
            demuxer=container.demuxer,
            video_codecs=tuple(sorted(VIDEO_CODECS[container.name])),
            max_duration_s=limits.max_duration_s,
            max_frame_pixels=limits.max_frame_pixels,
            max_frames=limits.max_frames,
            max_frame_rate_hz=limits.max_frame_rate_hz,
            max_streams=limits.max_streams,
        )

    def _job(self, container: Container, target_rate_hz: int, start_s: float | None, end_s: float | None) -> AudioJob:
        limits = self._limits
        return AudioJob(
            container=container.name,
            demuxer=container.demuxer,
            audio_codecs=tuple(sorted(container.audio_codecs)),
            target_rate_hz=target_rate_hz,
            start_s=start_s,
            end_s=end_s,
            min_duration_s=limits.min_duration_s,
            max_duration_s=limits.max_duration_s,
            max_channels=limits.max_channels,
            min_sample_rate_hz=limits.min_sample_rate_hz,
            max_sample_rate_hz=limits.max_sample_rate_hz,
            max_sample_magnitude=limits.max_sample_magnitude,
            max_streams=limits.max_streams,
            wav=None if container.wav is None else asdict(container.wav),
        )

    def _decode(self, view: memoryview, job: AudioJob) -> DecodedAudio:
        most = math.ceil((self._limits.max_duration_s + 1) * job.target_rate_hz)
        buffer = SampleBuffer(self._limits.max_channels, most)
        facts = self._run("audio", asdict(job), view, buffer.receive)
        samples = buffer.finish()
        return DecodedAudio(samples, sound_media(facts, job.container), flags_of(facts))

    def _run(
        self,
        kind: str,
        arguments: dict[str, object],
        view: memoryview,
        on_message: OnMessage,
        timeout_s: float | None = None,
        *,
        is_long: bool = False,
    ) -> dict[str, Any]:
        """Run a job; a file on which the process died is remembered."""
        try:
            return self._pool.run(kind, arguments, view, on_message, total_timeout_s=timeout_s, is_long=is_long)
        except WorkerDiedError as death:
            problem = self._problem_of(death)
            if isinstance(problem, MediaCrashedDecoder):
                self._crashers.add(view)
            raise problem from None

    def _problem_of(self, death: WorkerDiedError) -> Problem:
        """The problem for the death of a decoder process."""
        if death.signal_name in EXTERNAL_SIGNALS or not self._pool.is_open:
            return DecoderUnavailable(retry_after_s=1.0)
        return MediaCrashedDecoder()


class SampleBuffer:
    """Collects blocks of samples in one growing array.

    Args:
        max_channels, max_samples: bounds; a decoder process that sends more has gone wrong.
    """

    def __init__(self, max_channels: int, max_samples: int) -> None:
        self._max_channels = max_channels
        self._max_samples = max_samples
        self._array = np.empty((0, 0), np.float32)
        self._length = 0

    def receive(self, message: dict[str, Any], channel: Channel) -> None:
        """Read the payload of a 'samples' message: float32 [channels, samples].

        Raises:
            ValueError: the message is invalid, so its sender has to be ended.
        """
        channels, samples = announced_samples(message, self._max_channels, self._max_samples - self._length)
        stop = self._length + samples
        if self._length == 0:
            self._array = np.empty((channels, samples), np.float32)
        elif self._array.shape[0] != channels:
            raise ValueError("an impossible block of samples")
        if stop > self._array.shape[1]:
            self._grow(max(stop, 2 * self._length))
        for row in self._array:
            channel.receive_into(row[self._length : stop].view(np.uint8).data)
        self._length = stop

    def _grow(self, capacity: int) -> None:
        larger = np.empty((self._array.shape[0], capacity), np.float32)  # untouched pages cost nothing
        larger[:, : self._length] = self._array[:, : self._length]
        self._array = larger

    def finish(self) -> FloatArray:
        """Return float32 [channels, samples], C-contiguous.

        Raises:
            MediaInvalid: nothing arrived.
        """
        if self._length == 0:
            raise MediaInvalid("The chosen range has no samples.")
        return np.ascontiguousarray(self._array[:, : self._length])


class _KnownCrashers:
    """SHA-256 of the latest files on which a decoder process died; these are refused at once."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: memoryview) -> None:
        digest = hashlib.sha256(data).digest()
        with self._lock:
            self._digests[digest] = None
            while len(self._digests) > MAX_KNOWN_CRASHERS:
                self._digests.popitem(last=False)

    def refuse(self, data: memoryview) -> None:
        if self._digests and hashlib.sha256(data).digest() in self._digests:
            raise MediaCrashedDecoder


def announced_samples(message: dict[str, Any], max_channels: int, max_samples: int) -> tuple[int, int]:
    """Channels and samples of the payload after a 'samples' message.

    Raises:
        ValueError: the message is invalid, so its sender has to be ended.
    """
    channels, samples = message.get("channels"), message.get("samples")
    if message.get("type") != "samples" or type(channels) is not int or type(samples) is not int:
        raise ValueError("an impossible block of samples")
    if not (0 < channels <= max_channels and 0 < samples <= max_samples):
        raise ValueError("an impossible block of samples")
    return channels, samples


def sound_media(facts: dict[str, Any], container: str) -> MediaInfo:
    """Facts of a sound track in a job's last message."""
    return MediaInfo(
        duration_s=float(facts["duration_s"]),
        container=container,
        codec=str(facts["codec"]),
        sample_rate_hz=int(facts["sample_rate_hz"]),
        channels=int(facts["channels"]),
    )


def picture_media(facts: dict[str, Any], container: str) -> MediaInfo:
    """Facts of the pictures in a job's last message."""
    return MediaInfo(
        duration_s=float(facts["duration_s"]),
        container=container,
        codec=str(facts["codec"]),
        frame_rate_hz=float(facts["frame_rate_hz"]),
        width=int(facts["width"]),
        height=int(facts["height"]),
    )


def flags_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """Flags in a job's last message, such as 'clipped'."""
    return tuple(str(flag) for flag in facts["flags"])
