"""Decoding of uploads to samples and frames, done in confined processes (see worker.py)."""

import contextlib
import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from service.pipeline.decoding.confinement import Confinement
from service.pipeline.decoding.decoder_messages import file_end_of, flags_of, picture_media, sound_media, spans_of
from service.pipeline.decoding.frame_stream import FrameReceiver, HandlerFailedError, OnFrame, VideoSummary
from service.pipeline.decoding.pace import Paces
from service.pipeline.decoding.places import Places
from service.pipeline.decoding.pool import PATIENT_SHARE, TOO_SLOW, OnMessage, WorkerDiedError, WorkerPool
from service.pipeline.decoding.protocol import Channel
from service.pipeline.decoding.sample_buffer import BudgetSpent, DecodedBudget, SampleBuffer
from service.pipeline.media.channels import PickedChannels
from service.pipeline.media.containers import VIDEO_CODECS
from service.pipeline.media.intake import Container, sniff
from service.pipeline.media.sampling import AudioJob
from service.pipeline.media.video_frames import VideoJob
from service.pipeline.options import check_range
from service.pipeline.results import FlagSpan, FloatArray, MediaInfo
from service.problems import (
    ContainerUnsupported,
    DeadlineExceeded,
    DecoderUnavailable,
    MediaCrashedDecoder,
    MediaTooLong,
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
        samples: float32 [chosen channels, samples] at the rate asked for, each channel C-contiguous. Sample 0 is the
            beginning of the chosen range on the file's presentation clock. The native samples lay within ±1;
            resampling may overshoot that by a little.
        media: the file's own rate, channels, tracks and duration, the latter of the whole file.
        flags: 'clipped' (runs at full scale in the recording), 'truncated' (ends before its header says),
            'damaged' (parts could not be decoded and were left out), 'header_repaired', 'trailing_data',
            'times_repaired', 'several_tracks', 'mix_cancels' (a channel stands in for a mix that cancels), 'sound_gap'.
        spans: when 'clipped', 'mix_cancels' and 'sound_gap' hold, in seconds of the whole file.
        names: of the channels, such as 'mix'.
    """

    samples: FloatArray
    media: MediaInfo
    flags: tuple[str, ...]
    spans: tuple[FlagSpan, ...] = ()
    names: tuple[str, ...] = ()


class Decoder:
    """Decodes uploads in a pool of confined processes. Thread-safe; every call blocks its thread.

    Args:
        limits: limits of one recording.
        workers: short recordings decoded at once; as many long ones and videos beside them.
        on_event: called with ('failure', problem code) and ('worker_death', signal name or 'exit').

    Attributes:
        budget: bytes of decoded sound that all requests hold together.
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
        self.budget = DecodedBudget(limits.max_decoded_bytes)
        self._large = Places(1)  # at the budget, for sound that did not fit into it
        self._paces = Paces()
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
        """Layers that confine the processes in addition to resource limits; none before :meth:`start`."""
        return self._pool.confinement or Confinement(seccomp=False, landlock=0, unprivileged=False)

    def close(self) -> None:
        """End the processes; running decodes fail with DecoderUnavailable."""
        self._pool.close()

    def worker_pids(self) -> list[int]:
        """Process ids of the live decoder processes; none means not ready."""
        return self._pool.pids()

    def audio(
        self,
        data: bytes | memoryview,
        *,
        target_rate_hz: int,
        start_s: float | None = None,
        end_s: float | None = None,
        channel: PickedChannels | None = None,
        track: int | None = None,
        cancel: threading.Event | None = None,
        ends_at: float = math.inf,
        expect: Callable[[float], None] = lambda _: None,
    ) -> DecodedAudio:
        """Decode the sound of an upload, whole or from ``start_s`` to ``end_s`` (seconds).

        An ``end_s`` behind the end of the recording means its end. Without ``channel`` every channel comes out; without
        ``track`` the one marked default unless it is silent, else the first that is not. Whoever sets ``cancel`` wants
        nothing any more. What will not be done before ``ends_at``, by :func:`time.monotonic`, is refused early.
        ``expect`` is told how many seconds a long recording's header promises of the range, before they are decoded;
        what it raises is raised here.

        Raises:
            Cancelled: ``cancel`` was set.
            Problem: the file cannot be decoded (413, 415, 422), the range is invalid (422, with a pointer), or the
                decoder failed (503, 504).
        """
        with self._failures_told():
            check_range(start_s, end_s)
            view = memoryview(data).cast("B")
            self._crashers.refuse(view)
            container = sniff(view)
            job = replace(self._job(container, target_rate_hz, start_s, end_s), channel=channel, track=track)
            return self._decode(view, job, cancel, ends_at, expect)

    def video(
        self, data: bytes | memoryview, on_frame: OnFrame, *, timeout_s: float, picture_track: int | None = None
    ) -> VideoSummary:
        """Decode the pictures of an upload, one at a time; the next is decoded while ``on_frame`` runs.

        Args:
            data: the upload.
            on_frame: called in this thread with each frame, never before it has returned from the last.
                What it raises ends the decoding and is raised here.
            timeout_s: seconds for all of it, ``on_frame`` included.
            picture_track: number among the picture tracks; None for the one marked default, else the first.

        Raises:
            Problem: the file cannot be decoded (413, 415, 422), or the decoder failed (503, 504).
        """
        with self._failures_told():
            view = memoryview(data).cast("B")
            self._crashers.refuse(view)
            container = sniff(view)
            if container.name not in VIDEO_CODECS:
                raise NoVideoStream
            job = replace(self._video_job(container), picture_track=picture_track)
            receiver = FrameReceiver(self._limits, on_frame)
            with self._paces.follow(time.monotonic() + timeout_s, "video-affect") as reach:

                def receive(message: dict[str, Any], channel: Channel) -> None:
                    receiver.receive(message, channel)
                    reach(float(message["share"]))

                facts = self._run("video", asdict(job), view, receive, timeout_s, is_long=True)
        end_s = min(file_end_of(facts), self._limits.max_duration_s)
        return VideoSummary(picture_media(facts, job.container), receiver.frames, flags_of(facts), end_s)

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
        with self._failures_told():
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

    @contextlib.contextmanager
    def _failures_told(self) -> Iterator[None]:
        """Count the problem that ends a ``with`` block; what a caller's own function raised is raised as it was."""
        try:
            yield
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
            claims_length=container.claims_length,
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
            claims_length=container.claims_length,
            first_byte=container.first_byte,
            wav=None if container.wav is None else asdict(container.wav),
        )

    def _decode(
        self,
        view: memoryview,
        job: AudioJob,
        cancel: threading.Event | None,
        ends_at: float,
        expect: Callable[[float], None],
    ) -> DecodedAudio:
        """Decode; sound for which there is no room beside others' is given up, and begun again in its turn."""
        most = math.ceil((self._limits.max_duration_s + 1) * job.target_rate_hz)
        patience_s = PATIENT_SHARE * self._limits.deadline_s
        waits_until: float | None = None
        with contextlib.ExitStack() as turn:
            while True:
                buffer = SampleBuffer(self._limits.max_channels, most, self.budget)
                try:
                    facts = self._fill(buffer, view, job, cancel, ends_at, expect)
                    break
                except BudgetSpent:
                    needed_bytes = min(buffer.wanted_bytes, self.budget.most_bytes)
                del buffer  # its bytes are free again
                if waits_until is None:
                    turn.enter_context(self._large.hold(patience_s, cancel))
                    waits_until = time.monotonic() + patience_s
                self.budget.wait_for(needed_bytes, waits_until, cancel)
        media = sound_media(facts, job.container)
        names = tuple(str(name) for name in facts["names"])
        return DecodedAudio(buffer.finish(), media, flags_of(facts), spans_of(facts), names)

    def _fill(
        self,
        buffer: SampleBuffer,
        view: memoryview,
        job: AudioJob,
        cancel: threading.Event | None,
        ends_at: float,
        expect: Callable[[float], None],
    ) -> dict[str, Any]:
        """Decode into ``buffer``; arguments as of :meth:`audio`."""
        promised_s = 0.0

        def restart(claimed_s: float) -> None:
            nonlocal promised_s
            buffer.restart()
            last_s = min(claimed_s, self._limits.max_duration_s, math.inf if job.end_s is None else job.end_s)
            promised_s = max(last_s - (job.start_s or 0.0), 0.0)
            expect(promised_s)

        with self._paces.follow(ends_at, "audio-emotion") as reach:

            def receive(message: dict[str, Any], channel: Channel) -> None:
                buffer.receive(message, channel)
                if promised_s:
                    reach(buffer.samples / (promised_s * job.target_rate_hz))

            return self._run("audio", asdict(job), view, receive, on_restart=restart, cancel=cancel)

    def _run(
        self,
        kind: str,
        arguments: dict[str, object],
        view: memoryview,
        on_message: OnMessage,
        timeout_s: float | None = None,
        **how: Any,  # noqa: ANN401 - of WorkerPool.run
    ) -> dict[str, Any]:
        """Run a job; a file on which the process died is remembered."""
        try:
            return self._pool.run(kind, arguments, view, on_message, total_timeout_s=timeout_s, **how)
        except MediaTooLong as too_long:
            raise MediaTooLong(_with_way_out(too_long.detail, self._limits.max_duration_s, kind)) from None
        except WorkerDiedError as death:
            problem = self._problem_of(death)
            if isinstance(problem, MediaCrashedDecoder):
                self._crashers.add(view)
            raise problem from None

    def _problem_of(self, death: WorkerDiedError) -> Problem:
        """The problem for the death of a decoder process."""
        if death.signal_name in EXTERNAL_SIGNALS or not self._pool.is_open:
            return DecoderUnavailable(retry_after_s=1.0)
        if death.signal_name == "SIGXCPU":
            return DeadlineExceeded(TOO_SLOW)
        return MediaCrashedDecoder()


def _with_way_out(detail: str, max_duration_s: float, kind: str) -> str:
    """Detail of the refusal of a recording that is too long, with the call that takes longer ones."""
    if detail != MediaTooLong.title:
        return detail
    call = "video-affect" if kind == "video" else "audio-emotion"
    return f"The recording is longer than {max_duration_s:g} s. Longer ones are taken as jobs (POST /v1/jobs/{call})."


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
