"""Every error that a client can be told, as one tree.

A problem is rendered as RFC 9457 ``application/problem+json`` and carries a code that never changes its meaning.
``GET /v1/problems`` lists the classes of this file that have a code of their own. Four more classes lie beside what
raises them and share the code of their parent: ``ParameterErrors``, ``FacesNotPrepared``, ``AffectNotPrepared``,
``BudgetSpent``.

Problem
├── Malformed              400  the HTTP message itself is broken
├── Unauthenticated        401  and Forbidden, 403
├── NotFound               404  and MethodNotAllowed, 405, NotAcceptable, 406
├── BodyTimeout            408  and StreamTimeout
├── IdempotencyConflict    409  and JobNotReady, JobNotSucceeded; ResultExpired and JobDataLost, 410
├── TooLarge               413  a documented limit is exceeded
├── UnsupportedContentType 415  a type that is not on the list
├── Unprocessable          422  a permitted type whose content cannot be used, or a bad parameter
├── HostUnknown            421  and HeadersTooLarge, 431
├── RateLimited            429  one key's own limit
├── InternalError          500  a bug
└── Unavailable            503  capacity, start-up, draining; DeadlineExceeded, 504, NoSpace, 507
"""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar


class EmoserveError(Exception):
    """Base of the errors that a caller of the pipelines can meet: problems, models, devices, files and settings."""


class Problem(EmoserveError):
    """Base of all errors told to a client.

    Args:
        detail: one sentence about this occurrence; never content of the upload, its name or its tags.
        pointer: the parameter at fault, as a JSON pointer (``/hop_s``), if there is one.
        retry_after_s: when to try again, for 429 and 503.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "The service failed to handle this request."

    def __init__(
        self, detail: str | None = None, *, pointer: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.pointer = pointer
        self.retry_after_s = retry_after_s

    def __init_subclass__(cls, status: int | None = None, code: str | None = None, title: str | None = None) -> None:
        """Take the status, code and title of a kind of problem from its class line; the rest is inherited."""
        super().__init_subclass__()
        cls.status, cls.code, cls.title = status or cls.status, code or cls.code, title or cls.title

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling across the decoder's process boundary with keyword arguments kept."""
        return partial(type(self), self.detail, pointer=self.pointer, retry_after_s=self.retry_after_s), ()


class InternalError(Problem):
    """A bug of ours. The test suites assert that it never appears."""


class Malformed(Problem, status=400, code="http_invalid", title="The HTTP message is malformed."):
    """The HTTP message, its multipart framing or its fields are broken."""


class BodyMissing(Malformed, code="body_missing", title="The request has no body."):
    """No body at all."""


class MultipartInvalid(Malformed, code="multipart_invalid", title="The multipart body cannot be parsed."):
    """Multipart framing that cannot be parsed."""


class MultipartTruncated(
    Malformed, code="multipart_truncated", title="The multipart body ends before its closing boundary."
):
    """A multipart body that ends before its closing boundary."""


class FieldNotFile(Malformed, code="field_not_file", title="The part 'file' was sent as text, not as a file."):
    """The part ``file`` was sent as a text field."""


class FieldMissing(Malformed, code="field_missing", title="The multipart body has no part named 'file'."):
    """No part named ``file``."""


class TooManyFiles(Malformed, code="too_many_files", title="Exactly one file part is accepted."):
    """More than one file part."""


class TooManyFields(Malformed, code="too_many_fields", title="The multipart body has too many fields."):
    """More multipart fields than the limit."""


class FieldTooLarge(Malformed, code="field_too_large", title="A multipart field is larger than the limit."):
    """A multipart text field over the limit."""


class FilenameInvalid(Malformed, code="filename_invalid", title="The file name is too long or has control characters."):
    """A file name with control characters or of excessive length."""


class MessageInvalid(Malformed, code="message_invalid", title="A message of the stream cannot be understood."):
    """A message that is no JSON, of no known kind, or whose bytes are no whole samples."""


class ConfigMissing(Malformed, code="config_missing", title="A stream begins with its config."):
    """The first message of a stream is neither ``config`` nor ``resume``."""


class Unauthenticated(Problem, status=401, code="unauthenticated", title="Valid credentials are required."):
    """Missing or wrong credentials."""


class Forbidden(Problem, status=403, code="forbidden", title="These credentials do not permit that."):
    """Valid credentials without the right scope."""


class CrossSite(Forbidden, code="cross_site", title="Pages of other sites may not use this service."):
    """A web page of another site sends the request, and no credentials tell that its user wants that."""


class NotFound(Problem, status=404, code="not_found", title="There is nothing at this address."):
    """No such route or resource."""


class ModelNotFound(NotFound, code="model_not_found", title="There is no such model or version."):
    """No model, or no version of it, of that name."""


class SessionNotFound(NotFound, code="session_not_found", title="There is no such stream to resume."):
    """A stream that never was, is another caller's, or has waited too long."""


class MethodNotAllowed(Problem, status=405, code="method_not_allowed", title="This address does not take that method."):
    """The route exists, the method does not."""


class NotAcceptable(Problem, status=406, code="not_acceptable", title="None of the accepted media types can be made."):
    """None of the types in ``Accept`` can be made."""


class BodyTimeout(Problem, status=408, code="body_timeout", title="The request body did not arrive in time."):
    """The body did not arrive in time."""


class StreamTimeout(Problem, status=408, code="stream_timeout", title="The stream was silent or open for too long."):
    """No first message, no message for too long, or a stream that lasts longer than the limit."""


class TooLarge(Problem, status=413, code="body_too_large", title="The request body is larger than the limit."):
    """A documented limit is exceeded; ``GET /v1/limits`` lists them."""


class MessageTooLarge(TooLarge, code="message_too_large", title="A message of the stream is larger than the limit."):
    """A message of a stream with more bytes than the limit."""


class MediaTooLong(TooLarge, code="media_too_long", title="The recording is longer than the limit."):
    """More seconds of media than the limit, counted while decoding."""


class TooManyChannels(TooLarge, code="too_many_channels", title="The recording has more channels than the limit."):
    """More audio channels than the limit."""


class FrameTooLarge(TooLarge, code="frame_too_large", title="The video's frames are larger than the limit."):
    """A video frame with more pixels than the limit."""


class TooManyFrames(TooLarge, code="too_many_frames", title="The video has more frames than the limit."):
    """More video frames than the limit."""


class AnswerTooLarge(TooLarge, code="answer_too_large", title="The answer would hold more numbers than the limit."):
    """An answer of more numbers than the limit; a longer hop makes fewer windows."""


class UnsupportedContentType(
    Problem, status=415, code="unsupported_content_type", title="Uploads are multipart/form-data or a raw media body."
):
    """The request's own media type is not one that uploads may have."""


class ContentEncodingUnsupported(
    UnsupportedContentType, code="content_encoding_unsupported", title="Compressed request bodies are not accepted."
):
    """A compressed request body."""


class ContainerUnsupported(
    UnsupportedContentType, code="container_unsupported", title="The file is of no supported container format."
):
    """The bytes are of no container on the list."""


class CodecUnsupported(
    UnsupportedContentType, code="codec_unsupported", title="The recording's codec is not supported."
):
    """A permitted container with a codec that is not on the list."""


class Unprocessable(Problem, status=422, code="config_invalid", title="A parameter has a value that cannot be used."):
    """A parameter that cannot be used, alone or beside the others."""


class TensorInvalid(Unprocessable, code="tensor_invalid", title="The tensors do not fit the model."):
    """A request of the Open Inference Protocol whose tensors are not those of the model's metadata."""


class DenoiserUnavailable(Unprocessable, code="denoiser_unavailable", title="This service has no denoiser."):
    """``denoise=true`` where no denoiser is loaded."""


class SpeakersUnavailable(Unprocessable, code="speakers_unavailable", title="This service tells no speakers apart."):
    """``speakers`` where no encoder of voices, or no voice activity, is loaded."""


class ProfileInvalid(Unprocessable, code="profile_invalid", title="The profile is missing, or cannot be read."):
    """A profile that is no document of 'POST /v1/profiles', or none where one was announced."""


class ProfileMismatch(Unprocessable, code="profile_mismatch", title="The profile is not of this model."):
    """A profile of another encoder, or a model that takes none."""


class ProfileTooLittleSpeech(Unprocessable, code="profile_too_little_speech", title="A profile needs 3 s of speech."):
    """Recordings with too little voice for a profile."""


class ProfileTooLittleFace(Unprocessable, code="profile_too_little_face", title="A profile needs 3 s of a face."):
    """A recording that shows no face, or shows it too briefly for a profile."""


class CallbackRefused(Unprocessable, code="callback_refused", title="This service does not call that address."):
    """A callback where the operator allows none, or to an address that is not permitted."""


class UrlRefused(Unprocessable, code="url_refused", title="This service fetches nothing from that address."):
    """A recording by URL where the operator allows none, or at an address that is not permitted."""


class UrlUnreadable(Unprocessable, code="url_unreadable", title="The recording cannot be fetched from its address."):
    """The server at a permitted URL did not answer with a whole recording; the detail says what it did."""


class MediaInvalid(Unprocessable, code="media_invalid", title="The recording cannot be decoded."):
    """A permitted container whose content cannot be decoded."""


class MediaEmpty(MediaInvalid, code="media_empty", title="The recording is empty."):
    """No bytes or no samples."""


class MediaTruncated(MediaInvalid, code="media_truncated", title="The recording is cut off."):
    """The file ends before what its header promises can be read."""


class MediaInconsistent(MediaInvalid, code="media_inconsistent", title="The recording's header contradicts its data."):
    """A header that contradicts the data."""


class MediaTooShort(MediaInvalid, code="media_too_short", title="The recording is too short."):
    """Less audio than the shortest clip that can be judged."""


class SampleRateUnsupported(
    MediaInvalid, code="sample_rate_unsupported", title="The recording's sample rate is outside the permitted range."
):
    """A sample rate outside the permitted range."""


class SamplesNotFinite(MediaInvalid, code="samples_not_finite", title="The recording has samples that are not finite."):
    """NaN, infinity or absurd magnitudes among the samples."""


class NoAudioStream(MediaInvalid, code="no_audio_stream", title="The file has no audio stream."):
    """A container without sound."""


class NoVideoStream(MediaInvalid, code="no_video_stream", title="The file has no video stream."):
    """A container without pictures."""


class TooManyStreams(MediaInvalid, code="too_many_streams", title="The file has more streams than the limit."):
    """More tracks than the limit."""


class MediaExternalReference(
    MediaInvalid, code="media_external_reference", title="The file refers to data outside itself."
):
    """A file that points to data outside itself; nothing is opened."""


class MediaCrashedDecoder(MediaInvalid, code="media_crashed_decoder", title="The decoder failed on this recording."):
    """The decoder's process died on this file; the service did not."""


class FeaturesInvalid(Unprocessable, code="features_invalid", title="The table of action units cannot be used."):
    """A table of action units that cannot be read."""


class ColumnsMissing(FeaturesInvalid, code="columns_missing", title="The table lacks columns that are needed."):
    """A table without columns that are needed; the detail names them."""


class TimestampsInvalid(FeaturesInvalid, code="timestamps_invalid", title="The table's time stamps cannot be right."):
    """Time stamps that no camera makes; ``fps`` can replace them."""


class HostUnknown(Problem, status=421, code="host_unknown", title="This service does not answer under that host name."):
    """The ``Host`` header holds none of the service's names; the setting ``allowed_hosts`` adds some."""


class RateLimited(Problem, status=429, code="rate_limited", title="These credentials have reached their limit."):
    """The caller's own limit is reached; others are served."""


class StreamTooFast(RateLimited, code="stream_too_fast", title="The stream sends faster than it can be analysed."):
    """A stream that was held back for too long: its sound came faster than real time, or its answers were not read."""


class HeadersTooLarge(Problem, status=431, code="headers_too_large", title="The headers are larger than the limit."):
    """Request headers over the limit."""


class Unavailable(Problem, status=503, code="unavailable", title="The service cannot take this request now."):
    """The service cannot take this work now."""


class CapacityExceeded(Unavailable, code="capacity_exceeded", title="The service is at capacity."):
    """More seconds of media are in the system than it is set to hold."""


class Draining(Unavailable, code="draining", title="The service is shutting down."):
    """The service is about to stop."""


class DecoderUnavailable(Unavailable, code="decoder_unavailable", title="No decoder is free."):
    """No decoder process could be had."""


class InferenceUnavailable(Unavailable, code="inference_unavailable", title="The model could not be run just now."):
    """The device failed twice on this work; the service stays up."""


class AuditUnavailable(Unavailable, code="audit_unavailable", title="The audit log cannot be written."):
    """Audit lines cannot be written, and nothing may be done without."""


class DeadlineExceeded(Problem, status=504, code="deadline_exceeded", title="The work did not finish in time."):
    """The work did not finish within its deadline."""


class NoSpace(Problem, status=507, code="no_space", title="There is no space for temporary data."):
    """No room for temporary data."""


class JobNotFound(NotFound, code="job_not_found", title="There is no such job."):
    """No job of that id, or one of another caller, or one that was forgotten."""


class IdempotencyConflict(
    Problem, status=409, code="idempotency_conflict", title="This idempotency key was used with another request."
):
    """The same idempotency key with another request."""


class JobNotReady(Problem, status=409, code="job_not_ready", title="The job has not finished yet."):
    """The job waits or runs."""


class JobNotSucceeded(Problem, status=409, code="job_not_succeeded", title="The job ended without a result."):
    """The job ended without a result; its own state says why."""


class ResultExpired(Problem, status=410, code="result_expired", title="The job's result has been deleted."):
    """The result was deleted: its time is over, it was read, or it was deleted on request."""


class JobDataLost(Problem, status=410, code="job_data_lost", title="The job's data is gone; send the recording again."):
    """The job's stored data is gone or damaged; the recording has to be sent again."""


class JobsUnavailable(Unavailable, code="jobs_unavailable", title="This service takes no jobs now."):
    """Jobs are switched off, or their database cannot be used; everything else works."""


def all_problems(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Yield every problem class below ``kind`` that has a code of its own, in the order of this file."""
    for child in kind.__subclasses__():
        if kind is Problem or child.code != kind.code:
            yield child
        yield from all_problems(child)
