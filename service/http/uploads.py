"""The request body on its way in: multipart or raw, counted while it arrives, and into memory where it fits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from fastapi import Request

from service.http.envelope import has_body
from service.http.exchange import exchange_of
from service.http.multipart import URL, Documents, MultipartFile, NextFile, Target, boundary_of
from service.http.work_pool import ClientGoneError, HeldUpload
from service.outgoing.address import Permission, read_target
from service.outgoing.fetch import Receive, fetching
from service.problems import (
    BodyMissing,
    BodyTimeout,
    ContentEncodingUnsupported,
    Malformed,
    TooLarge,
    UnsupportedContentType,
)
from service.settings import Limits

MULTIPART = "multipart/form-data"
RAW_KINDS = ("audio/", "video/")
RAW_TYPES = ("application/octet-stream", "application/mp4", "application/ogg")
RAW_MEDIA = RAW_KINDS + RAW_TYPES
"""Media types of a recording as the whole body; those that end in ``/`` stand for all of their kind."""
RAW_TABLES = ("text/csv", "application/octet-stream")
"""Media types of a table as the whole body."""


PACE_S: Final = 5.0
"""Seconds over which the rate of a body is measured: whoever sends a byte now and then would keep a place."""


class BodySink(Protocol):
    """Takes the body's bytes."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> None:
        """Check that the recording is whole, after all were written."""


class RawBody:
    """The body is the recording; ``target`` takes it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._is_empty = True

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._is_empty &= not chunk
        self._target.extend(memoryview(chunk))

    def finish(self) -> None:
        """Check that there was anything. Raises BodyMissing if there was not."""
        if self._is_empty:
            raise BodyMissing


async def read_upload(
    request: Request,
    limits: Limits,
    held: HeldUpload,
    permission: Permission,
    raw_types: Sequence[str] = RAW_MEDIA,
    documents: Documents | None = None,
    next_file: NextFile | None = None,
) -> memoryview:
    """Read the recording or table out of the request's body, or from where its part ``url`` says.

    Args:
        request: its headers are checked first, so that a hopeless body is not even read.
        limits: of the service.
        held: accounts for the memory.
        permission: addresses that may be fetched from; calls that take several files take no URL.
        raw_types: media types that the body may have where it is not multipart.
        documents, next_file: as of :class:`~service.http.multipart.MultipartFile`.

    Raises:
        Problem: 400, 408, 413, 415, 422 or 503 as the module's problems and :func:`fetched` say.
        ClientGoneError: the client closed the connection meanwhile.
    """
    content = bytearray()
    documents = documents or {}
    if next_file is None:
        documents = {URL: bytearray(), **documents}
    sink = choose_sink(request, limits, content, raw_types, documents, next_file)
    with exchange_of(request.scope).stage("upload"):
        try:
            async with asyncio.timeout(limits.body_timeout_s):
                await _pour(request.receive, sink, limits, held)
        except TimeoutError:
            raise BodyTimeout from None
        sink.finish()
        if documents.get(URL):
            async with (
                fetched(request, documents, permission, limits) as receive,
                asyncio.timeout(limits.body_timeout_s),
            ):
                await _pour(receive, RawBody(content), limits, held)
        held.arrived()
        return memoryview(content)


@asynccontextmanager
async def fetched(
    request: Request, documents: Documents, permission: Permission, limits: Limits
) -> AsyncIterator[Receive]:
    """Fetch the recording from where the part ``url`` says, during a ``with`` block.

    Raises:
        UrlRefused: the address is not permitted.
        Problem: as :func:`service.outgoing.fetch.fetching` says.
    """
    target = read_target(documents[URL].decode("ascii", errors="replace"), permission)
    with exchange_of(request.scope).stage("fetch"):
        async with fetching(target, permission, limits.max_body_bytes, client_gone(request)) as receive:
            yield receive


def choose_sink(
    request: Request,
    limits: Limits,
    target: Target,
    raw_types: Sequence[str] = RAW_MEDIA,
    documents: Documents | None = None,
    next_file: NextFile | None = None,
) -> BodySink:
    """Judge the body by its headers alone.

    Raises:
        BodyMissing, TooLarge, ContentEncodingUnsupported, UnsupportedContentType, MultipartInvalid
    """
    headers = request.headers
    if not has_body(headers):
        raise BodyMissing
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise ContentEncodingUnsupported
    if declared_bytes(request) > limits.max_body_bytes:
        raise too_large(limits.max_body_bytes)
    content_type = headers.get("content-type", RAW_TYPES[0])
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MULTIPART:
        return MultipartFile(boundary_of(content_type), limits, target, documents, next_file)
    if any(media_type == one or (one.endswith("/") and media_type.startswith(one)) for one in raw_types):
        return RawBody(target)
    raise UnsupportedContentType


async def client_gone(request: Request) -> None:
    """Return when the client has closed the connection; to be awaited after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _pour(receive: Receive, sink: BodySink, limits: Limits, held: HeldUpload) -> None:
    """Take the body, which may not fall below its least rate.

    Raises:
        TimeoutError: it did.
    """
    clock = asyncio.get_running_loop().time
    stride_bytes = PACE_S * limits.min_body_bytes_per_s
    due_bytes, due_at = stride_bytes, clock() + PACE_S
    more = True
    while more:
        async with asyncio.timeout_at(due_at):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        if held.size_bytes + len(chunk) > limits.max_body_bytes:
            raise too_large(limits.max_body_bytes)
        held.add(len(chunk))
        sink.write(chunk)
        if held.size_bytes >= due_bytes:
            due_bytes, due_at = held.size_bytes + stride_bytes, clock() + PACE_S


def declared_bytes(request: Request) -> int:
    """Bytes of the body as the headers say; 0 where they do not. Raises Malformed."""
    content_length = request.headers.get("content-length")
    if content_length is None:
        return 0
    if not (content_length.isascii() and content_length.isdigit()):
        raise Malformed("The content length is not a number.")
    return int(content_length[:20])


def too_large(max_bytes: int) -> TooLarge:
    """The refusal of a body over the limit."""
    return TooLarge(f"The request body may hold {max_bytes} bytes.")
