"""The multipart reader: every limit, every broken framing, and the same answer however the body is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.multipart import MAX_EPILOGUE_BYTES, MAX_PREAMBLE_BYTES, MultipartFile, boundary_of
from service.problems import (
    FieldMissing,
    FieldNotFile,
    FieldTooLarge,
    FilenameInvalid,
    MultipartInvalid,
    MultipartTruncated,
    Problem,
    TooManyFields,
    TooManyFiles,
    Unprocessable,
)
from service.settings import Limits

BOUNDARY = b"limit0"
LIMITS = Limits(max_fields=4, max_field_bytes=100, max_filename_characters=20)


def part(content: bytes = b"sound", name: bytes = b"file", filename: bytes | None = b"a.wav", more: bytes = b""):
    disposition = b'Content-Disposition: form-data; name="' + name + b'"'
    if filename is not None:
        disposition += b'; filename="' + filename + b'"'
    return b"--" + BOUNDARY + b"\r\n" + disposition + b"\r\n" + more + b"\r\n" + content + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"


def read(body: bytes, chunk: int | None = None) -> bytes:
    content = bytearray()
    sink = MultipartFile(BOUNDARY, LIMITS, content)
    step = chunk or len(body) or 1
    for start in range(0, len(body), step):
        sink.write(body[start : start + step])
    sink.finish()
    return bytes(content)


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, None])
def test_content_is_kept_however_the_body_is_cut(chunk: int | None) -> None:
    content = b"\r\n--limit\r\n--limi" + bytes(range(256)) + b"\r\n--"
    assert read(part(content) + END, chunk) == content


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_content_survives(content: bytes, chunk: int) -> None:
    if b"--" + BOUNDARY not in content:
        assert read(part(content) + END, chunk) == content


def test_line_breaks_before_and_a_short_epilogue_are_fine() -> None:
    assert read(b"\r\n" + part() + END + b"bye") == b"sound"


BROKEN = {
    "truncated in content": (part()[:-4], MultipartTruncated),
    "truncated before the end": (part(), MultipartTruncated),
    "truncated in headers": (part()[:20], MultipartTruncated),
    "other boundary": (part().replace(BOUNDARY, b"other1") + END, MultipartInvalid),
    "longer boundary": (part().replace(BOUNDARY, b"limit00") + END, MultipartInvalid),
    "no boundary at all": (b"RIFF....WAVE" * 10, MultipartInvalid),
    "nothing but line breaks": (b"\r\n" * 2000, MultipartInvalid),
    "preamble": (b"\r\n" + b"x" * MAX_PREAMBLE_BYTES + part() + END, MultipartInvalid),
    "epilogue": (part() + END + b"x" * (MAX_EPILOGUE_BYTES + 20), MultipartInvalid),
    "no parts": (END, FieldMissing),
    "text instead of file": (part(filename=None) + END, FieldNotFile),
    "only an extended file name": (
        part(filename=None).replace(b'"\r\n', b"\"; filename*=UTF-8''a.wav\r\n", 1) + END,
        FieldNotFile,
    ),
    "wrong name": (part(name=b"audio") + END, FieldMissing),
    "only text": (part(name=b"model", filename=None) + END, FieldMissing),
    "text beside the file": (part() + part(name=b"model", filename=None) + END, Unprocessable),
    "two files": (part() + part() + END, TooManyFiles),
    "too many fields": (part(name=b"x", filename=None) * 5 + part() + END, TooManyFields),
    "large field": (part(b"x" * 101, name=b"x", filename=None) + END, FieldTooLarge),
    "long file name": (part(filename=b"x" * 21) + END, FilenameInvalid),
    "NUL in the file name": (part(filename=b"a\0b") + END, FilenameInvalid),
    "escape in the file name": (part(filename=b"a\x1b[31m") + END, FilenameInvalid),
    "direction mark in the file name": (part(filename="a\u202evaw".encode()) + END, FilenameInvalid),
    "many part headers": (part(more=b"".join(b"X-%d: 1\r\n" % n for n in range(2000))) + END, MultipartInvalid),
    "large part header": (part(more=b"X: " + b"x" * 1_000_000 + b"\r\n") + END, MultipartInvalid),
    "header twice": (part(more=b'Content-Disposition: form-data; name="x"\r\n') + END, MultipartInvalid),
    "no disposition": (b"--" + BOUNDARY + b"\r\nX: 1\r\n\r\nx\r\n" + END, MultipartInvalid),
    "other disposition": (part().replace(b"form-data", b"attachment") + END, MultipartInvalid),
    "transfer encoding": (part(more=b"Content-Transfer-Encoding: base64\r\n") + END, MultipartInvalid),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("chunk", [1000, None])
def test_broken_bodies(case: str, chunk: int | None) -> None:
    body, problem = BROKEN[case]
    with pytest.raises(Problem) as caught:
        read(body, chunk)
    assert type(caught.value) is problem


@pytest.mark.parametrize("filename", [b"../../etc/passwd", b"", "Ünïcode.wav".encode(), b'a\\"b.wav'])
def test_file_names_that_do_no_harm(filename: bytes) -> None:
    assert read(part(filename=filename) + END) == b"sound"


def test_limits_are_exact() -> None:
    extra = part(b"x" * 100, name=b"x", filename=None)
    with pytest.raises(Unprocessable):  # four fields of the full size: only their presence is at fault
        read(extra * 3 + part(filename=b"x" * 20) + END)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="a b "',
        "multipart/form-data; boundary=" + "x" * 300,
        "multipart/form-data; boundary=ä",
    ],
)
def test_boundaries_that_are_refused(content_type: str) -> None:
    with pytest.raises(MultipartInvalid):
        boundary_of(content_type)


@pytest.mark.parametrize("parameter", ["boundary=abc", 'boundary="abc"', "charset=utf-8; BOUNDARY=abc"])
def test_boundaries_that_are_taken(parameter: str) -> None:
    assert boundary_of(f"multipart/form-data; {parameter}") == b"abc"
