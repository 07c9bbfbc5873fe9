"""An open-loop driver: requests leave when their time has come, whether or not earlier ones were answered.

A closed loop would slow down with the service and hide its queue (coordinated omission).
"""

import asyncio
import time
from dataclasses import dataclass, field

import numpy as np

MAX_CONNECTIONS = 64


@dataclass
class LoadResult:
    """Latencies of successful requests in seconds from their due time, and counts of the rest by status."""

    latencies_s: list[float] = field(default_factory=list)
    audio_s: float = 0.0
    wall_s: float = 0.0
    failures: dict[int, int] = field(default_factory=dict)

    def percentile_s(self, percent: float) -> float:
        """Latency percentile."""
        return float(np.percentile(self.latencies_s, percent)) if self.latencies_s else float("inf")


class _Connections:
    def __init__(self, port: int, sender: str) -> None:
        self._port = port
        self._sender = sender
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)

    async def post(self, body: bytes) -> int:
        """Send one raw upload and return the status."""
        async with self._places:
            reader, writer = self._idle.pop() if self._idle else await self._open()
            head = (
                "POST /v1/audio/emotion HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: audio/wav\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            status, closes = await self._answer(reader)
            if closes:
                writer.close()
            else:
                self._idle.append((reader, writer))
            return status

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._sender, 0))

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
        await reader.readexactly(length)
        return int(head.split(" ", 2)[1]), "connection: close" in head

    def close(self) -> None:
        """Close what is idle."""
        for _, writer in self._idle:
            writer.close()


async def open_loop(
    port: int, clips: list[tuple[float, bytes]], requests_per_s: float, duration_s: float, sender: str = "127.0.0.1"
) -> LoadResult:
    """Send ``clips`` in turn at a constant rate for ``duration_s`` and wait for all answers.

    ``sender`` is an address of this machine, from which they come.
    """
    result = LoadResult()
    connections = _Connections(port, sender)
    began = time.perf_counter()

    async def one(due: float, audio_s: float, body: bytes) -> None:
        status = await connections.post(body)
        if status == 200:
            result.latencies_s.append(time.perf_counter() - due)
            result.audio_s += audio_s
        else:
            result.failures[status] = result.failures.get(status, 0) + 1

    tasks = []
    for index in range(max(1, int(requests_per_s * duration_s))):
        due = began + index / requests_per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due, *clips[index % len(clips)])))
    await asyncio.gather(*tasks)
    result.wall_s = time.perf_counter() - began
    connections.close()
    return result
