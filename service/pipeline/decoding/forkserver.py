"""The fork server: a process with a warm decoder that forks decoder processes on request.

The one of ``multiprocessing`` passes its environment on, imports the main module into every child and may be shared
with other code; this one starts from an empty environment.
"""

import contextlib
import gc
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

_REQUEST: Final = struct.Struct("<cQ")
_REPLY: Final = struct.Struct("<i")
_START: Final = b"s"
_REAP: Final = b"r"
_STOP_TIMEOUT_S: Final = 2.0
_REPLY_TIMEOUT_S: Final = 20.0

_COMMAND: Final = f"import sys; sys.path.insert(0, sys.argv[1]); from {__name__} import main; main(int(sys.argv[2]))"
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")


class ForkServer:
    """The service's side of the fork server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._handles: dict[int, int] = {}  # process id → pidfd, which is never reused
        self._closed = False

    def start(self) -> None:
        """Start the process and wait until it is warm (about half a second, once).

        Raises:
            OSError, EOFError: the process could not be started; its message is on standard error.
        """
        with self._lock:
            self._closed = False
            self._start()

    def fork(self, connection: socket.socket, memory_bytes: int) -> int:
        """Fork a decoder process that talks through ``connection``, and return its process id.

        A dead fork server is started again.

        Raises:
            OSError, EOFError: no process could be forked.
        """
        with self._lock:
            if self._closed:
                raise EOFError
            if self._process is None or self._process.poll() is not None:
                self._start()
            pid = self._ask(_START, memory_bytes, connection)
            self._handles[pid] = os.pidfd_open(pid)
            return pid

    def end(self, pid: int) -> str | None:
        """Kill process ``pid`` if it still runs.

        Returns:
            Name of the signal that ended it, such as 'SIGSEGV'; None if it exited or its end is unknown.
        """
        with self._lock:
            handle = self._handles.pop(pid, None)
            if handle is None:
                return None
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
            try:
                status = self._ask(_REAP, pid)
            except (OSError, EOFError):
                return None
        if status < 0 or not os.WIFSIGNALED(status):
            return None
        return signal.Signals(os.WTERMSIG(status)).name

    def close(self) -> None:
        """Stop the fork server; decoder processes stop when their connections close."""
        with self._lock:
            self._closed = True
            self._stop()

    def _start(self) -> None:
        self._stop()
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[__name__.count(".")])
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        self._control = ours
        ours.settimeout(_REPLY_TIMEOUT_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _COMMAND, root, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment | threads | {"LANG": "C.UTF-8"},
                start_new_session=True,  # Ctrl-C in a terminal must reach the service alone, which drains
            )
        self._receive()

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _ask(self, what: bytes, number: int, connection: socket.socket | None = None) -> int:
        if self._control is None:
            raise EOFError
        descriptors = [] if connection is None else [connection.fileno()]
        socket.send_fds(self._control, [_REQUEST.pack(what, number)], descriptors)
        return self._receive()

    def _receive(self) -> int:
        if self._control is None:
            raise EOFError
        reply = self._control.recv(_REPLY.size, socket.MSG_WAITALL)
        if len(reply) < _REPLY.size:
            raise EOFError
        return int(_REPLY.unpack(reply)[0])


def main(descriptor: int) -> None:
    """The process's side: load, warm up, then fork and reap on request until the service has gone."""
    from service.pipeline.decoding import worker  # the decoder's libraries, in this process only
    from service.pipeline.decoding.confinement import forbid_core_dumps

    forbid_core_dumps()
    control = socket.socket(fileno=descriptor)
    worker.warm_up()
    gc.collect()
    gc.freeze()  # forked processes share these pages while nothing writes to them
    control.sendall(_REPLY.pack(0))
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, _REQUEST.size, 1)
        if len(request) < _REQUEST.size:
            return
        what, number = _REQUEST.unpack(request)
        if what == _START:
            control.sendall(_REPLY.pack(_fork(control, descriptors[0], number)))
        else:
            control.sendall(_REPLY.pack(_reap(number)))


def _fork(control: socket.socket, descriptor: int, memory_bytes: int) -> int:
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        from service.pipeline.decoding import worker

        control.close()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.close(null)
        worker.serve(socket.socket(fileno=descriptor), memory_bytes)
        status = 0
    finally:
        os._exit(status)


def _reap(pid: int) -> int:
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return -1
