"""Every error that a client can be told, as one tree.

A problem is rendered as RFC 9457 ``application/problem+json`` and carries a code that never changes meaning.
``GET /v1/problems`` lists this file.

Problem
├── Malformed            400  the HTTP message itself is broken
├── Unauthenticated      401
├── Forbidden            403
├── Missing              404
├── NotAcceptable        406
├── BodyTimeout          408
├── TooLarge             413  a documented limit is exceeded
├── Unsupported          415  a type that is not on the list
├── Unprocessable        422  a permitted type whose content cannot be used, or a bad parameter
├── HeadersTooLarge      431
├── Unavailable          503  capacity, start-up, draining
├── DeadlineExceeded     504
└── NoSpace              507

Those of jobs alone are in ``job_problems.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class Problem(Exception):
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

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling across the decoder's process boundary with keyword arguments kept."""
        return (_rebuild, (type(self), self.detail, self.pointer, self.retry_after_s))


def _rebuild(kind: type[Problem], detail: str, pointer: str | None, retry_after_s: float | None) -> Problem:
    return kind(detail, pointer=pointer, retry_after_s=retry_after_s)


class InternalError(Problem):
    """A bug of ours. The test suites assert that it never appears."""


# 400 -------------------------------------------------------------------------------------------------------


class Malformed(Problem):
    """The HTTP message, its multipart framing or its fields are broken."""

    status, code, title = 400, "http_invalid", "The HTTP message is malformed."


class BodyMissing(Malformed):
    """No body at all."""

    code, title = "body_missing", "The request has no body."


class MultipartInvalid(Malformed):
    """Multipart framing that cannot be parsed."""

    code, title = "multipart_invalid", "The multipart body cannot be parsed."


class MultipartTruncated(Malformed):
    """A multipart body that ends before its closing boundary."""

    code, title = "multipart_truncated", "The multipart body ends before its closing boundary."


class FieldNotFile(Malformed):
    """The part ``file`` was sent as a text field."""

    code, title = "field_not_file", "The part 'file' was sent as text, not as a file."


class FieldMissing(Malformed):
    """No part named ``file``."""

    code, title = "field_missing", "The multipart body has no part named 'file'."


class TooManyFiles(Malformed):
    """More than one file part."""

    code, title = "too_many_files", "Exactly one file part is accepted."


class TooManyFields(Malformed):
    """More multipart fields than the limit."""

    code, title = "too_many_fields", "The multipart body has too many fields."


class FieldTooLarge(Malformed):
    """A multipart text field over the limit."""

    code, title = "field_too_large", "A multipart field is larger than the limit."


class FilenameInvalid(Malformed):
    """A file name with control characters or of excessive length."""

    code, title = "filename_invalid", "The file name holds control characters or is too long."


# 401, 403, 404, 405, 406, 408, 409 -------------------------------------------------------------------------


class Unauthenticated(Problem):
    """Missing or wrong credentials."""

    status, code, title = 401, "unauthenticated", "A valid API key is required."


class Forbidden(Problem):
    """Valid credentials without the right scope."""

    status, code, title = 403, "forbidden", "This key may not do that."


class NotFound(Problem):
    """No such route or resource."""

    status, code, title = 404, "not_found", "There is nothing at this address."


class ModelNotFound(NotFound):
    """No model, or no version of it, of that name."""

    code, title = "model_not_found", "There is no such model or version."


class MethodNotAllowed(Problem):
    """The route exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "This address does not answer that method."


class NotAcceptable(Problem):
    """None of the types in ``Accept`` can be made."""

    status, code, title = 406, "not_acceptable", "None of the accepted media types can be produced."


class BodyTimeout(Problem):
    """The body did not arrive in time."""

    status, code, title = 408, "body_timeout", "The request body did not arrive in time."


# 413 -------------------------------------------------------------------------------------------------------


class TooLarge(Problem):
    """A documented limit is exceeded; ``GET /v1/limits`` lists them."""

    status, code, title = 413, "body_too_large", "The request body is larger than the limit."


class MediaTooLong(TooLarge):
    """More seconds of media than the limit, counted while decoding."""

    code, title = "media_too_long", "The recording is longer than the limit."


class TooManyChannels(TooLarge):
    """More audio channels than the limit."""

    code, title = "too_many_channels", "The recording has more channels than the limit."


class FrameTooLarge(TooLarge):
    """A video frame with more pixels than the limit."""

    code, title = "frame_too_large", "The video's frames are larger than the limit."


class TooManyFrames(TooLarge):
    """More video frames than the limit."""

    code, title = "too_many_frames", "The video has more frames than the limit."


# 415 -------------------------------------------------------------------------------------------------------


class UnsupportedContentType(Problem):
    """The request's own media type is not one that uploads may have."""

    status, code, title = (
        415,
        "unsupported_content_type",
        "Uploads are multipart/form-data or a raw media body.",
    )


class ContentEncodingUnsupported(UnsupportedContentType):
    """A compressed request body."""

    code, title = "content_encoding_unsupported", "Compressed request bodies are not accepted."


class ContainerUnsupported(UnsupportedContentType):
    """The bytes are of no container on the list."""

    code, title = "container_unsupported", "The file is of no supported container format."


class CodecUnsupported(UnsupportedContentType):
    """A permitted container with a codec that is not on the list."""

    code, title = "codec_unsupported", "The recording's codec is not supported."


# 422 -------------------------------------------------------------------------------------------------------


class Unprocessable(Problem):
    """A parameter that cannot be used, alone or beside the others."""

    status, code, title = 422, "config_invalid", "A parameter has a value that cannot be used."


class MediaInvalid(Unprocessable):
    """A permitted container whose content cannot be decoded."""

    code, title = "media_invalid", "The recording cannot be decoded."


class MediaEmpty(MediaInvalid):
    """No bytes or no samples."""

    code, title = "media_empty", "The recording is empty."


class MediaTruncated(MediaInvalid):
    """The file ends before what its header promises can be read."""

    code, title = "media_truncated", "The recording is cut off."


class MediaInconsistent(MediaInvalid):
    """A header that contradicts the data."""

    code, title = "media_inconsistent", "The recording's header contradicts its data."


class MediaTooShort(MediaInvalid):
    """Less audio than the shortest clip that can be judged."""

    code, title = "media_too_short", "The recording is too short."


class SampleRateUnsupported(MediaInvalid):
    """A sample rate outside the permitted range."""

    code, title = "sample_rate_unsupported", "The recording's sample rate is outside the permitted range."


class SamplesNotFinite(MediaInvalid):
    """NaN, infinity or absurd magnitudes among the samples."""

    code, title = "samples_not_finite", "The recording holds samples that are not finite numbers."


class NoAudioStream(MediaInvalid):
    """A container without sound."""

    code, title = "no_audio_stream", "The file has no audio stream."


class NoVideoStream(MediaInvalid):
    """A container without pictures."""

    code, title = "no_video_stream", "The file has no video stream."


class TooManyStreams(MediaInvalid):
    """More tracks than the limit."""

    code, title = "too_many_streams", "The file has more streams than the limit."


class MediaExternalReference(MediaInvalid):
    """A file that points to data outside itself; nothing is opened."""

    code, title = "media_external_reference", "The file refers to data outside itself."


class MediaCrashedDecoder(MediaInvalid):
    """The decoder's process died on this file; the service did not."""

    code, title = "media_crashed_decoder", "The decoder failed on this recording."


class FeaturesInvalid(Unprocessable):
    """A table of action units that cannot be read."""

    code, title = "features_invalid", "The table of action units cannot be used."


class ColumnsMissing(FeaturesInvalid):
    """A table without columns that are needed; the detail names them."""

    code, title = "columns_missing", "The table lacks columns that are needed."


class TimestampsInvalid(FeaturesInvalid):
    """Time stamps that no camera makes; ``fps`` can replace them."""

    code, title = "timestamps_invalid", "The table's time stamps cannot be right."


# 431, 503, 504, 507 ----------------------------------------------------------------------------------------


class HeadersTooLarge(Problem):
    """Request headers over the limit."""

    status, code, title = 431, "headers_too_large", "The request headers are larger than the limit."


class Unavailable(Problem):
    """The service cannot take this work now."""

    status, code, title = 503, "unavailable", "The service cannot take this request now."


class CapacityExceeded(Unavailable):
    """More seconds of media are in the system than it is set to hold."""

    code, title = "capacity_exceeded", "The service is at capacity."


class Draining(Unavailable):
    """The service is about to stop."""

    code, title = "draining", "The service is shutting down."


class DecoderUnavailable(Unavailable):
    """No decoder process could be had."""

    code, title = "decoder_unavailable", "No decoder is free."


class InferenceUnavailable(Unavailable):
    """The device failed twice on this work; the service stays up."""

    code, title = "inference_unavailable", "The model could not be run just now."


class DeadlineExceeded(Problem):
    """The work did not finish within its deadline."""

    status, code, title = 504, "deadline_exceeded", "The work did not finish in time."


class NoSpace(Problem):
    """No room for temporary data."""

    status, code, title = 507, "no_space", "There is no space for temporary data."


def all_problems() -> Iterator[type[Problem]]:
    """Yield every problem class, in the order of this file; those of other files where they belong in the tree."""
    import service.job_problems  # noqa: F401 - a class is in the tree once its file is read

    def below(kind: type[Problem]) -> Iterator[type[Problem]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    seen: set[str] = set()
    for kind in below(Problem):
        if kind.code not in seen:
            seen.add(kind.code)
            yield kind
