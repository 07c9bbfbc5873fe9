"""Requests as bytes, such as no client would send: forms, chunks, lengths that are not true."""

EMOTION = b"POST /v1/audio/emotion HTTP/1.1\r\nHost: localhost\r\n"
WAV_TYPE = b"Content-Type: audio/wav\r\n"
FORM = {"content-type": "multipart/form-data; boundary=limit0"}
FORM_TYPE = b"Content-Type: multipart/form-data; boundary=limit0\r\n"
END = b"--limit0--\r\n"


def part(
    content: bytes = b"RIFF", name: bytes = b"file", filename: bytes | None = b"a.wav", more: bytes = b""
) -> bytes:
    """One part of a form; ``more`` are headers of it."""
    tail = b"" if filename is None else b'; filename="' + filename + b'"'
    head = b'--limit0\r\nContent-Disposition: form-data; name="' + name + b'"' + tail + b"\r\n"
    return head + more + b"\r\n" + content + b"\r\n"


def post(path: str, length: int | str, headers: bytes = b"") -> bytes:
    """The head of an upload whose body is said to have ``length`` bytes."""
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %b\r\n\r\n" % (
        path.encode(),
        headers,
        str(length).encode(),
    )


def sized(body: bytes, headers: bytes = WAV_TYPE) -> bytes:
    """An upload to the emotion call."""
    return post("/v1/audio/emotion", len(body), headers) + body


def chunked(body: bytes, headers: bytes = WAV_TYPE, piece: int = 65536) -> bytes:
    """The same upload in chunks."""
    pieces = (body[start : start + piece] for start in range(0, len(body), piece))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces)
    return EMOTION + headers + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


def form(body: bytes) -> bytes:
    """An upload of parts to the emotion call."""
    return sized(body, FORM_TYPE)
