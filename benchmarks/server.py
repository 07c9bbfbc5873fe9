"""A service of its own process to measure from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

READY_TIMEOUT_S = 60.0


class Server:
    """A running service.

    Args:
        settings: more of ``EMOSERVE_…``, without that prefix.

    Attributes:
        port: where it listens on 127.0.0.1.
        pid: its process.
        ready_s: seconds from the start of the process until it said ready.
    """

    def __init__(self, **settings: str) -> None:
        self.port = free_port()
        named = {"port": str(self.port), "log_level": "error"} | settings
        environment = os.environ | {f"EMOSERVE_{name.upper()}": value for name, value in named.items()}
        began = time.perf_counter()
        command = [sys.executable, "-m", "service", "serve"]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        self.pid = self._process.pid
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() - began > READY_TIMEOUT_S:
                self.stop()
                raise RuntimeError("the service did not become ready")
            time.sleep(0.01)
        self.ready_s = time.perf_counter() - began

    def stop(self) -> None:
        """Ask the service to stop and wait for it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v2/health/ready", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(**settings: str) -> Iterator[Server]:
    """Start a service with ``settings`` and stop it at the end."""
    server = Server(**settings)
    try:
        yield server
    finally:
        server.stop()
