"""A recording fetched from an address that a client gave, such as a presigned one of S3.

It is asked for once, without credentials, cookies, proxies or redirects, at the address that was checked. Nothing of
the URL is told or logged: whoever has it, has the recording.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any, Final

import httptools

from service import __version__
from service.outgoing.address import AddressRefusedError, Permission, Target, find_address
from service.problems import BodyTimeout, TooLarge, UrlUnreadable

CONNECT_S: Final = 10.0
"""Seconds for finding the host, connecting and agreeing on TLS."""

OVERHEAD_BYTES: Final = 32 * 1024
"""Most bytes of headers; and in a body in chunks, :data:`OVERHEAD` times its own bytes more."""

OVERHEAD: Final = 8
READ_BYTES: Final = 64 * 1024

Message = dict[str, Any]
"""An ASGI message of a request's body."""

Receive = Callable[[], Awaitable[Any]]
"""Gives the next of these messages."""


@asynccontextmanager
async def fetching(
    target: Target, permission: Permission, max_bytes: int, gone: Coroutine[Any, Any, None]
) -> AsyncIterator[Receive]:
    """Ask for the recording during a ``with`` block, which reads it as it would the body of a request.

    Args:
        target: where it is.
        permission: networks that may be called.
        max_bytes: most bytes that the other side may announce; the block counts those that come.
        gone: returns when nobody waits for the recording any more.

    Raises:
        UrlRefused: the host's name leads to an address that is not permitted.
        UrlUnreadable: no answer came, another than 200, or none that is whole and in time.
        TooLarge: the other side announces more than ``max_bytes``.
    """
    watcher = asyncio.create_task(gone)
    try:
        reader, writer = await _connect(target, permission)
        try:
            writer.write(_request(target))
            yield _Answer(reader, watcher, max_bytes).receive
        except (TimeoutError, BodyTimeout):
            raise UrlUnreadable("The recording came too slowly from its address.") from None
        finally:
            writer.transport.abort()
    finally:
        watcher.cancel()


@cache
def trusted() -> ssl.SSLContext:
    """The certificates that are trusted: the system's."""
    return ssl.create_default_context()


async def _connect(target: Target, permission: Permission) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    is_secure = target.scheme == "https"
    tls = trusted() if is_secure else None
    lookup = ThreadPoolExecutor(1, thread_name_prefix="look-up")  # a slow name server holds up nothing else
    try:
        async with asyncio.timeout(CONNECT_S):
            find = partial(find_address, target, permission.networks)
            address = await asyncio.get_running_loop().run_in_executor(lookup, find)
            name = target.name if is_secure else None
            return await asyncio.open_connection(address, target.port, ssl=tls, server_hostname=name)
    except AddressRefusedError:
        raise permission.refusal(
            "The host's name leads to an address that is not permitted.", pointer=f"/{permission.name}"
        ) from None
    except ssl.CertificateError:
        raise UrlUnreadable("The host of the address has no certificate that is trusted.") from None
    except (OSError, UnicodeError):
        raise UrlUnreadable("The host of the address cannot be reached.") from None
    finally:
        lookup.shutdown(wait=False)


def _request(target: Target) -> bytes:
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: emoserve/{__version__}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


class _Answer:
    """The other side's answer, in messages such as those of a request's body; httptools calls the ``on_…``."""

    def __init__(self, reader: asyncio.StreamReader, watcher: asyncio.Task[None], max_bytes: int) -> None:
        self._reader = reader
        self._watcher = watcher
        self._max_bytes = max_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._problem: UrlUnreadable | TooLarge | None = None
        self._is_whole = False
        self._read_bytes = self._body_bytes = 0

    async def receive(self) -> Message:
        """The next piece of the recording, or that nobody waits for it.

        Raises:
            UrlUnreadable, TooLarge: see :func:`fetching`.
        """
        while not self._pieces and not self._is_whole:
            data = await self._read()
            if data is None:
                return {"type": "http.disconnect"}
            if not data:
                raise UrlUnreadable("The recording at the address is cut off, or its length is not told.")
            self._take(data)
        body, self._pieces = b"".join(self._pieces), []
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def _read(self) -> bytes | None:
        reading = asyncio.create_task(self._reader.read(READ_BYTES))
        try:
            await asyncio.wait({reading, self._watcher}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        except OSError:
            raise UrlUnreadable("The connection to the address broke off.") from None
        finally:
            reading.cancel()

    def _take(self, data: bytes) -> None:
        self._read_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._is_whole:  # what follows the recording is not read
                self._problem = self._problem or UrlUnreadable("The server at the address speaks no HTTP/1.1.")
        if self._read_bytes > OVERHEAD_BYTES + OVERHEAD * self._body_bytes:
            self._problem = self._problem or UrlUnreadable(
                "The server at the address sends too much beside the recording."
            )
        if self._problem is not None:
            raise self._problem

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse what is compressed, or longer than may be."""
        if self._is_whole:
            return
        if name.lower() == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            self._problem = UrlUnreadable("The recording at the address is compressed (Content-Encoding).")
        if name.lower() == b"content-length" and value.isdigit() and int(value[:20]) > self._max_bytes:
            self._problem = TooLarge(f"The recording may hold {self._max_bytes} bytes.")

    def on_headers_complete(self) -> None:
        """Refuse every answer but 200."""
        status = self._parser.get_status_code()
        if status != 200 and not self._is_whole:
            redirected = "; redirects are not followed" if 300 <= status < 400 else ""
            self._problem = UrlUnreadable(f"The server at the address answers with status {status}{redirected}.")

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the recording."""
        if self._is_whole:  # another answer begins
            return
        self._pieces.append(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        """Note that the recording is whole."""
        self._is_whole = True
