"""A program that confines decoder processes as the service does and lets each try one system call.

Arguments: the user to be, the layers ('all', 'without_seccomp' or 'none'), a folder that everybody may write to, and
the calls to try; all of them if none is named.
It prints a JSON object: by call, the name of the signal that ended the process, or the errno (0: it was not refused).
"""

import contextlib
import ctypes
import json
import mmap
import os
import platform
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from service.pipeline.decoding import confinement, seccomp, worker
from service.pipeline.decoding.protocol import Channel

MEMORY_BYTES = 2 << 30
IPC_PRIVATE = 0
PTRACE_SEIZE = 0x4206
CLONE_NEWNS, CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
NUMBERS = {  # of calls that the C library does not offer
    "x86_64": {"bpf": 321, "userfaultfd": 323, "memfd_create": 319, "keyctl": 250, "perf_event_open": 298},
    "aarch64": {"bpf": 280, "userfaultfd": 282, "memfd_create": 279, "keyctl": 219, "perf_event_open": 241},
}[platform.machine()] | {"io_uring_setup": 425, "pidfd_open": 434, "clone3": 435}

libc = ctypes.CDLL(None, use_errno=True)


def calls(folder: Path, tcp: socket.socket, abstract: socket.socket, addresses: tuple[Any, Any]) -> dict[str, Any]:
    """Every call by name: returns a number below 0 and sets errno, or raises OSError, where it is refused."""
    file, parent = str(folder / "file").encode(), os.getpid()
    new = str(folder / "new").encode()
    room = ctypes.create_string_buffer(4096)
    piece = (ctypes.c_size_t * 2)(ctypes.addressof(room), 8)

    def system(name: str, *arguments: object) -> Callable[[], int]:
        return lambda: libc.syscall(NUMBERS[name], *arguments)

    return {
        "open": lambda: os.open(file, os.O_RDONLY),
        "open_for_writing": lambda: os.open(new, os.O_WRONLY | os.O_CREAT),
        "open_environment_of_the_parent": lambda: os.open(f"/proc/{parent}/environ", os.O_RDONLY),
        "list_processes": lambda: os.open("/proc", os.O_RDONLY | os.O_DIRECTORY),
        "unlink": lambda: libc.unlink(file),
        "truncate": lambda: libc.truncate(file, ctypes.c_long(0)),
        "rename": lambda: libc.rename(file, new),
        "chmod": lambda: libc.chmod(file, 0o600),
        "mkdir": lambda: libc.mkdir(new, 0o700),
        "symlink": lambda: libc.symlink(file, new),
        "mount": lambda: libc.mount(b"none", str(folder).encode(), b"tmpfs", ctypes.c_ulong(0), None),
        "unshare_mounts": lambda: libc.unshare(CLONE_NEWNS),
        "unshare_users": lambda: libc.unshare(CLONE_NEWUSER),
        "socket": lambda: libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0),
        "connect": lambda: tcp.connect(addresses[0]),
        "connect_abstract": lambda: abstract.connect(addresses[1]),
        "kill_parent": lambda: libc.kill(parent, 0),
        "kill_all": lambda: libc.kill(-1, 0),
        "tgkill_parent": lambda: libc.tgkill(parent, parent, 0),
        "ptrace": lambda: libc.ptrace(PTRACE_SEIZE, parent, None, None),
        "process_vm_readv": lambda: libc.process_vm_readv(parent, piece, 1, piece, 1, 0),
        "pidfd_open": system("pidfd_open", parent, 0),
        "limits_of_the_parent": lambda: libc.prlimit(parent, resource.RLIMIT_NOFILE, None, piece),
        "own_open_files": lambda: libc.prlimit(0, resource.RLIMIT_NOFILE, (ctypes.c_uint64 * 2)(64, 64), None),
        "fork": lambda: _leave_if_child(libc.fork()),
        "clone3": lambda: _leave_if_child(system("clone3", (ctypes.c_uint64 * 11)(), ctypes.c_size_t(88))()),
        "execve": lambda: os.execve(sys.executable, ["python", "-c", "0"], {}),
        "shmget": lambda: libc.shmget(IPC_PRIVATE, ctypes.c_size_t(4096), 0o600),
        "mmap_executable": _map_executable,
        "mprotect_executable": _make_executable,
        "memfd_create": system("memfd_create", b"x", 0),
        "bpf": system("bpf", 0, (ctypes.c_uint32 * 18)(2, 4, 4, 1), 72),
        "io_uring_setup": system("io_uring_setup", 1, (ctypes.c_uint32 * 30)()),
        "userfaultfd": system("userfaultfd", 0),
        "perf_event_open": system("perf_event_open", (ctypes.c_uint32 * 32)(1, 128), 0, -1, -1, 0),
        "keyctl": system("keyctl", 0, -3, 1),
    }


def _leave_if_child(process: int) -> int:
    if process == 0:
        os._exit(0)
    return process


def _map_executable() -> int:
    libc.mmap.restype = ctypes.c_long
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return int(libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_EXEC, flags, -1, ctypes.c_long(0)))


def _make_executable() -> int:
    page = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return int(libc.mprotect(ctypes.c_void_p(address), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC))


def attempt(call: Callable[[], int | None], layers: str) -> str | int:
    """Let one confined process try ``call``."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be_decoder(call, theirs, layers)
    theirs.close()
    channel = Channel(ours)
    outcome: str | int | None = None
    with contextlib.suppress(EOFError):
        channel.receive_header()
        channel.send({"kind": "probe", "bytes": 0, "cpu_s": 10, "arguments": {}})
        channel.receive_header()
        outcome = channel.receive_header()["errno"]
    channel.close()
    _, status = os.waitpid(pid, 0)
    if outcome is not None:
        return outcome
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


def _be_decoder(call: Callable[[], int | None], connection: socket.socket, layers: str) -> None:
    def probe(*_: object) -> dict[str, object]:
        ctypes.set_errno(0)
        try:
            failed = (call() or 0) < 0
        except OSError as error:
            return {"errno": error.errno}
        return {"errno": ctypes.get_errno() if failed else 0}

    worker.JOB_KINDS["probe"] = probe
    stack = contextlib.ExitStack()
    if layers == "without_seccomp":
        stack.enter_context(mock.patch.object(seccomp, "install", return_value=False))
    if layers == "none":
        nothing = confinement.Confinement(seccomp=False, landlock=0, unprivileged=False)
        stack.enter_context(mock.patch.object(worker, "confine", return_value=nothing))
    with stack:
        try:
            worker.serve(connection, MEMORY_BYTES)
        finally:
            os._exit(0)


def main(user: int, layers: str, folder: Path, names: list[str]) -> None:
    """Try calls, one after another; each finds the folder as it should be."""
    worker.warm_up()
    if user != os.getuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    listeners = socket.socket(socket.AF_INET), socket.socket(socket.AF_UNIX)
    for listener, address in zip(listeners, (("127.0.0.1", 0), f"\0emoserve-probe-{os.getpid()}"), strict=True):
        listener.bind(address)
        listener.listen()
    addresses = listeners[0].getsockname(), listeners[1].getsockname()
    outcomes: dict[str, str | int] = {}
    with socket.socket(socket.AF_INET) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        every = calls(folder, tcp, abstract, addresses)
        for name in names or every:
            (folder / "file").write_bytes(b"content")
            (folder / "file").chmod(0o666)
            outcomes[name] = attempt(every[name], layers)
            for left in folder.iterdir():
                left.rmdir() if left.is_dir() else left.unlink()
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
