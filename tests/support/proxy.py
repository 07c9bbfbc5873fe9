"""A small reverse proxy: rewrites the head of each request as common ones do, and passes on everything else."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.patience import HANG_S

MAX_HEAD_BYTES = 64 * 1024


@dataclass
class Proxy:
    """Listens on ``port`` of 127.0.0.1.

    Attributes:
        upstream_port: of the service.
        prefix: path below which the service lies; it is cut off, as ``proxy_pass http://…/`` of nginx does. What lies
            beside it is answered with 404.
        keeps_prefix: passes it on instead, as ``proxy_pass http://…`` without a path does.
        host: what to put in place of ``Host``; None passes it on.
        refuses: answers 502 without asking the service.
        heads: the heads of requests as they were passed on.
        opened: connections so far.
    """

    upstream_port: int
    prefix: str = ""
    keeps_prefix: bool = False
    host: str | None = None
    tls: ssl.SSLContext | None = None
    port: int = 0
    refuses: bool = False
    opened: int = 0
    heads: list[bytes] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def break_connections(self) -> None:
        """Reset all connections, as a network does that fails."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (self._abort(), done.set()))
        assert done.wait(HANG_S)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self.refuses:
                await _answer(writer, "502 Bad Gateway")
            elif not self._is_below(head):
                await _answer(writer, "404 Not Found")
            else:
                await self._pass_on(self._rewritten(head), reader, writer)
        writer.close()

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_service, to_service = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        self._writers |= {writer, to_service}
        self.heads.append(head)
        to_service.write(head)
        try:
            await asyncio.gather(_pump(reader, to_service), _pump(from_service, writer))
        finally:
            self._writers -= {writer, to_service}
            to_service.close()

    def _is_below(self, head: bytes) -> bool:
        path = head.decode("latin-1").split(" ")[1].partition("?")[0]
        return f"{path}/".startswith(f"{self.prefix}/")

    def _rewritten(self, head: bytes) -> bytes:
        """Without the prefix, with what proxies add; one request a connection, unless it is upgraded."""
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, version = first.split(" ")
        if not self.keeps_prefix:
            target = target.removeprefix(self.prefix) or "/"
        given = dict(line.split(": ", 1) for line in lines)
        headers = {name: value for name, value in given.items() if name.lower() not in ("host", "connection")}
        host = next(value for name, value in given.items() if name.lower() == "host")
        upgrades = any(name.lower() == "upgrade" for name in given)
        headers |= {
            "Host": self.host or host,
            "Connection": "Upgrade" if upgrades else "close",
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Host": host,
            "X-Forwarded-Proto": "http" if self.tls is None else "https",
            "X-Forwarded-Prefix": self.prefix,
        }
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {target} {version}\r\n{fields}\r\n".encode("latin-1")

    async def _run(self, started: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls, limit=MAX_HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        self._abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _answer(writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()


@contextmanager
def proxying(upstream_port: int, **options: object) -> Iterator[Proxy]:
    """A proxy before the service on ``upstream_port``; options as attributes of :class:`Proxy`."""
    proxy = Proxy(upstream_port, **options)  # type: ignore[arg-type]
    started, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: proxy._loop.run_until_complete(proxy._run(started, stop)))
    thread.start()
    assert started.wait(HANG_S)
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(stop.set)
        thread.join()
        proxy._loop.close()
