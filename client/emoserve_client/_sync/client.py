# Generated from _async/client.py by client/unasync.py; do not edit.
"""The blocking client."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar, Unpack, cast

import httpx

from emoserve_client import calls
from emoserve_client.attempts import Attempts
from emoserve_client.audio_answers import AudioEmbedding, AudioEmotion
from emoserve_client.calls import Call, JobKind
from emoserve_client.common_answers import Document
from emoserve_client.connection import client_options, failure, is_ready, require_websockets
from emoserve_client.event_answers import AffectRows, Progress, Window
from emoserve_client.event_streams import JobEvents, UploadEvent, UploadEvents
from emoserve_client.job_answers import Job, JobPage
from emoserve_client.options import (
    AnswerOptions,
    AudioStreamOptions,
    EmotionAnswerOptions,
    EmotionOptions,
    SoundOptions,
    TableAnswerOptions,
    TableOptions,
    VideoAnswerOptions,
    VideoOptions,
    VideoStreamOptions,
)
from emoserve_client.problems import EmoserveError, ServiceUnreachable
from emoserve_client.retries import Retries
from emoserve_client.uploads import Upload
from emoserve_client.video_answers import VideoAffect

if TYPE_CHECKING:
    from emoserve_client._sync.live_stream import AudioStream, VideoStream

Answer = TypeVar("Answer")


class Emoserve:
    """Calls one service. Use it as a context manager, or call :meth:`close`; threads may share it.

    Args:
        base_url: address of the service, such as ``http://127.0.0.1:8000``.
        api_key: key or token; None if the service asks for none.
        timeout_s: seconds to wait for an answer after the file is sent.
        retries: when and how often a failed request is repeated.
        tls: certificates to trust, and the client's own if the service asks for one; None trusts certifi's authorities.
        transport: replaces the network in tests.

    Every method raises :class:`Problem` when the service refuses, :class:`ServiceUnreachable` when no answer comes,
    and OSError when a path leads to no file.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 150.0,
        retries: Retries | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(**client_options(base_url, api_key, timeout_s, tls), transport=transport)
        self._retries = retries or Retries()
        self._place = (base_url, api_key, tls)

    def audio_emotion(self, file: Upload, **options: Unpack[EmotionOptions]) -> AudioEmotion:
        """Judge the emotion of a recording or of a video's sound track."""
        return self._run(calls.audio_emotion(file, options))

    def audio_emotion_as(self, media_type: str, file: Upload, **options: Unpack[EmotionAnswerOptions]) -> bytes:
        """Get the answer of :meth:`audio_emotion` in another form, such as 'text/csv' or 'image/svg+xml'."""
        return self._run(calls.analyse_as(calls.AUDIO_EMOTION, media_type, file, options))

    def audio_emotion_events(
        self, file: Upload, **options: Unpack[EmotionOptions]
    ) -> Iterator[Progress | Window | AudioEmotion]:
        """Yield progress, each window as soon as it is judged, and at the end the answer of :meth:`audio_emotion`.

        Leaving the iteration cancels the work. The request is not repeated once an event has come.
        """
        call = calls.analyse_events(calls.AUDIO_EMOTION, file, options)
        return cast("Iterator[Progress | Window | AudioEmotion]", self._events(call, AudioEmotion.read))

    def make_profile(
        self,
        files: Sequence[Upload],
        *,
        kind: Literal["voice", "face"] = "voice",
        profile: Document | None = None,
        model: str | None = None,
        version: str | None = None,
        neutral: str | None = None,
    ) -> Document:
        """Make the profile of a voice, a line or a face from recordings, or go on with one; the service keeps none.

        Args:
            files: recordings of one person, or of one line.
            kind: what it is of.
            profile: the document to go on with.
            model, version: of a voice: the model that it is for; None takes the default.
            neutral: of a face: when it rests, 'median' or 'START:END' in seconds of each recording; None is 'median'.
        """
        options = {"kind": kind, "model": model, "version": version, "neutral": neutral}
        return self._run(calls.make_profile(files, profile, options))

    def audio_embedding(self, file: Upload, **options: Unpack[SoundOptions]) -> AudioEmbedding:
        """Compute the embedding of each window of a recording."""
        return self._run(calls.audio_embedding(file, options))

    def audio_embedding_as(self, media_type: str, file: Upload, **options: Unpack[SoundOptions]) -> bytes:
        """Get the answer of :meth:`audio_embedding` as 'text/csv'."""
        return self._run(calls.analyse_as(calls.AUDIO_EMBEDDING, media_type, file, options))

    def video_affect(self, file: Upload, **options: Unpack[VideoOptions]) -> VideoAffect:
        """Judge the arousal and valence of a face over time."""
        return self._run(calls.video_affect(file, options))

    def video_affect_as(self, media_type: str, file: Upload, **options: Unpack[VideoAnswerOptions]) -> bytes:
        """Get the answer of :meth:`video_affect` in another form, such as 'text/csv' or 'image/svg+xml'."""
        return self._run(calls.analyse_as(calls.VIDEO_AFFECT, media_type, file, options))

    def video_affect_events(
        self, file: Upload, **options: Unpack[VideoOptions]
    ) -> Iterator[Progress | AffectRows | VideoAffect]:
        """Yield progress, rows, and at the end the answer of :meth:`video_affect`.

        Rows come before the end if ``neutral`` is 'none', a document or a stretch of seconds.
        """
        call = calls.analyse_events(calls.VIDEO_AFFECT, file, options)
        return cast("Iterator[Progress | AffectRows | VideoAffect]", self._events(call, VideoAffect.read))

    def table_affect(self, file: Upload, **options: Unpack[TableOptions]) -> VideoAffect:
        """Judge arousal and valence from a table of action units by OpenFace or AVEC."""
        return self._run(calls.table_affect(file, options))

    def table_affect_as(self, media_type: str, file: Upload, **options: Unpack[TableAnswerOptions]) -> bytes:
        """Get the answer of :meth:`table_affect` in another form, such as 'text/csv' or 'image/svg+xml'."""
        return self._run(calls.analyse_as(calls.TABLE_AFFECT, media_type, file, options))

    def table_affect_events(self, file: Upload, **options: Unpack[TableOptions]) -> Iterator[Progress | VideoAffect]:
        """Yield progress, and at the end the answer of :meth:`table_affect`."""
        call = calls.analyse_events(calls.TABLE_AFFECT, file, options)
        return cast("Iterator[Progress | VideoAffect]", self._events(call, VideoAffect.read))

    def submit_audio_emotion(
        self,
        file: Upload,
        *,
        idempotency_key: str | None = None,
        callback: str | None = None,
        **options: Unpack[EmotionOptions],
    ) -> Job:
        """Start a job for a long recording; the same key with the same file starts it only once.

        ``callback`` is an https address that is told of its end; see :func:`emoserve_client.read_webhook`.
        """
        return self._submit("audio-emotion", file, idempotency_key, {**options, "callback": callback})

    def submit_video_affect(
        self,
        file: Upload,
        *,
        idempotency_key: str | None = None,
        callback: str | None = None,
        **options: Unpack[VideoOptions],
    ) -> Job:
        """Start a job for a long video; otherwise as :meth:`submit_audio_emotion`."""
        return self._submit("video-affect", file, idempotency_key, {**options, "callback": callback})

    def job(self, job_id: str) -> Job:
        """Get the current state of a job."""
        return self._run(calls.job(job_id))

    def jobs(self, *, cursor: str | None = None, limit: int | None = None) -> JobPage:
        """Get some of your jobs, newest first, where the operator allows it; ``cursor`` is that of the page before."""
        return self._run(calls.jobs(cursor, limit))

    def wait(self, job_id: str, *, timeout_s: float | None = None, poll_s: float = 1.0) -> Job:
        """Poll a job every ``poll_s`` seconds until it has succeeded, failed, expired or been cancelled.

        Raises:
            TimeoutError: the job has not ended after ``timeout_s`` seconds.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not (job := self.job(job_id)).state.is_final:
            if until is not None and time.monotonic() + poll_s > until:
                raise TimeoutError(f"the job is {job.state.value} after {timeout_s:g} s")
            time.sleep(poll_s)
        return job

    def job_events(self, job_id: str, *, last_event_id: str | None = None) -> Iterator[Job | Progress]:
        """Yield the job whenever its state changes and its progress in between, until the job has ended.

        A broken connection is opened again and continues after the last event.

        Args:
            job_id: identifier of the job.
            last_event_id: identifier of an event; only later events are given. None starts with the first.
        """
        events = JobEvents(last_event_id)
        attempts = Attempts(self._retries, repeatable=True)
        while not events.is_final:
            events.begin()
            broken: EmoserveError = ServiceUnreachable("the events ended before the job")
            try:
                with self._http.stream("GET", calls.job_events_path(job_id), headers=events.headers) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    if response.is_error:
                        response.read()
                        time.sleep(attempts.pause_after_refusal(response))
                        continue
                    for piece in response.iter_bytes():
                        yield from events.feed(piece)
            except httpx.HTTPError as error:
                broken = failure(error)
            if events.is_alive:
                attempts = Attempts(self._retries, repeatable=True)
            if not events.is_final:
                time.sleep(events.retry_s if events.is_alive else attempts.pause_after(broken))

    def audio_emotion_result(self, job_id: str) -> AudioEmotion:
        """Get the answer of a job that has succeeded."""
        return self._run(calls.result(job_id, AudioEmotion.read))

    def video_affect_result(self, job_id: str) -> VideoAffect:
        """Get the answer of a job that has succeeded."""
        return self._run(calls.result(job_id, VideoAffect.read))

    def result_as(self, media_type: str, job_id: str, **options: Unpack[AnswerOptions]) -> bytes:
        """Get the answer of a job as the bytes of ``media_type``; each option is for one of them."""
        return self._run(calls.result_as(job_id, media_type, options))

    def cancel(self, job_id: str) -> None:
        """Cancel a job, or delete the result of one that has ended."""
        self._run(calls.cancel(job_id))

    def audio_stream(self, sample_rate_hz: int, **options: Unpack[AudioStreamOptions]) -> AudioStream:
        """Make a live stream of sound, to be opened by a with statement; needs the extra 'streams'."""
        require_websockets()
        from emoserve_client._sync.live_stream import AudioStream
        from emoserve_client.stream_connection import StreamPlace

        return AudioStream(StreamPlace(*self._place), self._retries, {"sample_rate_hz": sample_rate_hz, **options})

    def video_stream(self, **options: Unpack[VideoStreamOptions]) -> VideoStream:
        """Make a live stream of a face, to be opened by a with statement; needs the extra 'streams'."""
        require_websockets()
        from emoserve_client._sync.live_stream import VideoStream
        from emoserve_client.stream_connection import StreamPlace

        return VideoStream(StreamPlace(*self._place), self._retries, options)

    def models(self) -> Document:
        """Get the cards of all models."""
        return self._run(calls.document("/v1/models"))

    def model(self, name: str, version: str | None = None) -> Document:
        """Get the cards of one model, of every version unless one is named."""
        return self._run(calls.model(name, version))

    def limits(self) -> Document:
        """Get every limit in force."""
        return self._run(calls.document("/v1/limits"))

    def problems(self) -> Document:
        """Get every error code with its meaning."""
        return self._run(calls.document("/v1/problems"))

    def ready(self) -> bool:
        """Ask once whether the service takes work now; False also if it cannot be reached."""
        try:
            return is_ready(self._http.get("/v2/health/ready"))
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Emoserve:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, kind: JobKind, file: Upload, key: str | None, options: dict[str, object]) -> Job:
        return self._run(calls.submit(kind, file, options, key or uuid.uuid4().hex))

    def _run(self, call: Call[Answer]) -> Answer:
        attempts = Attempts(self._retries, repeatable=call.repeatable)
        while True:
            content = None if call.source is None else call.source.pieces()
            try:
                response = self._http.request(
                    call.method, call.path, params=call.params, headers=call.all_headers, content=content
                )
            except httpx.HTTPError as error:
                pause_s = attempts.pause_after_failure(error)
            else:
                if response.is_success:
                    return call.read(response)
                pause_s = attempts.pause_after_refusal(response)
            time.sleep(pause_s)

    def _events(self, call: Call[None], read: Callable[[Document], Answer]) -> Iterator[UploadEvent | Answer]:
        attempts = Attempts(self._retries, repeatable=call.repeatable)
        while True:
            events = UploadEvents(read)
            content = None if call.source is None else call.source.pieces()
            try:
                with self._http.stream(
                    call.method, call.path, params=call.params, headers=call.all_headers, content=content
                ) as response:
                    if response.is_success:
                        for piece in response.iter_bytes():
                            yield from events.feed(piece)
                        events.close()
                        return
                    response.read()
                pause_s = attempts.pause_after_refusal(response)
            except httpx.HTTPError as error:
                if events.has_begun:
                    raise failure(error) from error
                pause_s = attempts.pause_after_failure(error)
            time.sleep(pause_s)
