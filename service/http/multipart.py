"""Files and documents out of a multipart/form-data body (RFC 7578), limits applied while it arrives."""

import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.problems import (
    FieldMissing,
    FieldNotFile,
    FieldTooLarge,
    FilenameInvalid,
    MultipartInvalid,
    MultipartTruncated,
    TooManyFields,
    TooManyFiles,
    Unprocessable,
)
from service.settings import Limits

FILE_FIELD = b"file"
URL: Final = "url"
"""Name of the part that tells where the recording is, in place of ``file``; a document as others are."""
MAX_BOUNDARY_BYTES = 70  # RFC 2046, section 5.1.1
MAX_PART_HEADERS = 8
MAX_PART_HEADER_BYTES = 8 * 1024
MAX_PREAMBLE_BYTES = 1024
MAX_EPILOGUE_BYTES = 1024
MAX_DOCUMENT_BYTES: Final = 32 * 1024
"""Most bytes of a part that is a document."""

_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]")
# C0 and C1 controls and the marks that turn the direction of writing.
_UNSAFE_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")


def boundary_of(content_type: str) -> bytes:
    """The boundary named by a multipart ``Content-Type``.

    Raises:
        MultipartInvalid: there is none, or one that RFC 2046 forbids.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES or not _BOUNDARY.fullmatch(boundary):
        raise MultipartInvalid("The content type names no valid boundary.")
    return boundary


class Target(Protocol):
    """Takes the bytes of the file, as a bytearray does."""

    def extend(self, content: memoryview, /) -> None:
        """Take the next bytes."""


Documents = Mapping[str, bytearray]
"""Small parts that a call takes beside the file, by name; what arrives of each is added to its bytes."""

NextFile = Callable[[], Target]
"""Called when a file begins that is not the first; returns what takes it."""


class MultipartFile:
    """Takes a body in chunks and hands on the bytes of the part ``file`` and of documents, nothing else.

    Args:
        boundary: without the leading hyphens.
        limits: of the service.
        target: takes the file.
        documents: parts that may be there too.
        next_file: for calls that take several files; None takes one.
    """

    def __init__(
        self,
        boundary: bytes,
        limits: Limits,
        target: Target,
        documents: Documents | None = None,
        next_file: NextFile | None = None,
    ) -> None:
        self._limits = limits
        self._opening = b"--" + boundary
        self._terminator = b"\r\n--" + boundary + b"--"
        self._target = target
        self._documents = {name.encode(): content for name, content in (documents or {}).items()}
        self._next_file = next_file
        self._document: bytearray | None = None
        self._fields = self._files = self._extra_fields = 0
        self._begun = self._ended = False
        self._before_bytes = 0
        self._preamble = b""  # a beginning of the first boundary
        self._tail = b"\r\n"  # what was parsed last, where the terminator may have begun
        self._after_bytes = 0
        self._header_name, self._header_value = bytearray(), bytearray()
        self._part_headers: dict[bytes, bytes] = {}
        self._in_file = False
        self._text_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
            max_header_count=MAX_PART_HEADERS,
            max_header_size=MAX_PART_HEADER_BYTES,
        )

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Malformed: the framing is broken, or one of the limits is exceeded.
        """
        if not self._begun:
            chunk = self._after_preamble(chunk)
        if chunk:
            self._parse(chunk)

    def finish(self) -> None:
        """Check that the file is there, after the whole body was written.

        Raises:
            MultipartTruncated: the closing boundary never came.
            FieldMissing: no part of that name.
            TooManyFiles: a part ``url`` beside it.
            Unprocessable: there were other fields; parameters are query parameters.
        """
        if not self._ended:
            raise MultipartTruncated
        is_elsewhere = bool(self._documents.get(URL.encode()))
        if not self._files and not is_elsewhere:
            raise FieldMissing
        if self._files and is_elsewhere:
            raise TooManyFiles("The parts 'file' and 'url' exclude each other.")
        if self._extra_fields:
            beside = (one.decode() for one in self._documents if one != URL.encode())
            named = " and ".join(f"'{name}'" for name in ("file", *beside))
            raise Unprocessable(f"Parameters are query parameters; the body holds {named} alone.")

    def _after_preamble(self, chunk: bytes) -> bytes:
        """Cut off everything before the first boundary; empty until the boundary is there.

        Only line breaks may come before it; the parser alone would accept more or less, depending on the chunks.

        Raises:
            MultipartInvalid: something else comes first, or too much.
        """
        body = (self._preamble + chunk).lstrip(b"\r\n")
        self._before_bytes += len(self._preamble) + len(chunk) - len(body)
        is_possible = body.startswith(self._opening) or self._opening.startswith(body)
        if not is_possible or self._before_bytes > MAX_PREAMBLE_BYTES:
            raise MultipartInvalid("The body does not begin with the boundary.")
        self._begun = body.startswith(self._opening)
        self._preamble = b"" if self._begun else body
        return body if self._begun else b""

    def _parse(self, chunk: bytes) -> None:
        if self._ended:
            self._count_epilogue(len(chunk))
            return
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise MultipartInvalid from None  # the parser's own text quotes the body
        if self._ended:
            seen = self._tail + chunk
            self._count_epilogue(len(seen) - seen.find(self._terminator) - len(self._terminator))
        self._tail = (self._tail + chunk[-len(self._terminator) :])[-len(self._terminator) :]

    def _count_epilogue(self, size_bytes: int) -> None:
        self._after_bytes += max(0, size_bytes)
        if self._after_bytes > MAX_EPILOGUE_BYTES:
            raise MultipartInvalid("There is too much after the closing boundary.")

    def _on_part_begin(self) -> None:
        self._fields += 1
        if self._fields > self._limits.max_fields:
            raise TooManyFields(f"At most {self._limits.max_fields} fields are accepted.")
        self._part_headers = {}
        self._text_bytes = 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        name = bytes(self._header_name).lower()
        if name in self._part_headers:
            raise MultipartInvalid("A part repeats a header.")
        self._part_headers[name] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        name, filename = self._disposition()
        if self._part_headers.get(b"content-transfer-encoding", b"").strip().lower() not in _PLAIN_ENCODINGS:
            raise MultipartInvalid("Parts are sent as they are, without transfer encoding.")
        self._document = self._documents.get(name)
        if self._document is not None:
            self._in_file = False
            if self._document:
                raise MultipartInvalid(f"The part '{name.decode()}' is there twice.")
            return
        self._in_file = filename is not None
        if filename is None:
            if name == FILE_FIELD:
                raise FieldNotFile
            self._extra_fields += 1
            return
        self._check_filename(filename)
        if name != FILE_FIELD:
            raise FieldMissing("The file part must be named 'file'.")
        self._files += 1
        if self._files > 1:
            if self._next_file is None:
                raise TooManyFiles
            self._target = self._next_file()

    def _disposition(self) -> tuple[bytes, bytes | None]:
        kind, options = parse_options_header(self._part_headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise MultipartInvalid("A part has no content disposition with a name.")
        return options[b"name"], options.get(b"filename")

    def _check_filename(self, filename: bytes) -> None:
        text = filename.decode("utf-8", errors="replace")
        if len(text) > self._limits.max_filename_characters or _UNSAFE_CHARACTERS.search(text):
            raise FilenameInvalid

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._target.extend(memoryview(data)[start:end])
            return
        self._text_bytes += end - start
        if self._text_bytes > (self._limits.max_field_bytes if self._document is None else MAX_DOCUMENT_BYTES):
            raise FieldTooLarge
        if self._document is not None:
            self._document += data[start:end]

    def _on_end(self) -> None:
        self._ended = True
