"""A service of its own process to measure from outside."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

READY_TIMEOUT_S = 60.0
GREETING = "Emoserve is ready on "


def address_of(process: subprocess.Popen[str], timeout_s: float = READY_TIMEOUT_S) -> str:
    """Wait until a service says on its standard output, a pipe, where it is: with port 0 nobody else knows.

    Raises:
        RuntimeError: it ended, or was not ready in time; by now it has ended.
    """
    assert process.stdout is not None
    watchdog = threading.Timer(timeout_s, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if not line.startswith(GREETING):
        process.kill()
        errors = process.communicate()[1] or ""
        raise RuntimeError(f"the service did not become ready; it ended with {process.returncode}\n{errors}")
    return line.split()[-1]


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
        named = {"port": "0", "log_level": "error"} | settings
        environment = os.environ | {f"EMOSERVE_{name.upper()}": value for name, value in named.items()}
        began = time.perf_counter()
        command = [sys.executable, "-m", "service", "serve"]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.port = int(address_of(self._process).rpartition(":")[2])
        self.ready_s = time.perf_counter() - began

    def processor_s(self) -> float:
        """Processor time of the service and its decoders until now, seconds."""
        process = psutil.Process(self.pid)
        spent = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return sum(times.user + times.system for times in spent)

    def stop(self) -> None:
        """Ask the service to stop and wait for it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@contextmanager
def running_server(**settings: str) -> Iterator[Server]:
    """Start a service with ``settings`` and stop it at the end."""
    server = Server(**settings)
    try:
        yield server
    finally:
        server.stop()
