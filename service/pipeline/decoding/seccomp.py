"""The system calls a decoder may make, as a seccomp filter written by hand: the binding that is in use (pyseccomp) had
its last release in 2021 and does not load without libseccomp, and the ones that need no library are months old.

The filter is a list: what is not on it ends the process. It knows x86_64 and aarch64.
"""

import ctypes
import errno
import mmap
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# linux/prctl.h, linux/seccomp.h, linux/bpf_common.h
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2
_KILL_PROCESS: Final = 0x8000_0000
_ALLOW: Final = 0x7FFF_0000
_REFUSE: Final = 0x0005_0000 | errno.EACCES
_LOAD_WORD: Final = 0x20
_AND: Final = 0x54
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06

# struct seccomp_data: the call's number, the architecture, an address, six arguments of 64 bits
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16

_INSTRUCTION: Final = struct.Struct("=HBBI")
_INT: Final = 0xFFFF_FFFF
"""Mask of an argument that the kernel reads as an int."""

_FUTEX_FLAGS: Final = 128 | 256
"""FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME, which may stand beside an operation."""


@dataclass(frozen=True)
class Argument:
    """Condition on one argument of a call: ``argument & mask == value``. Its upper 32 bits are ignored."""

    index: int
    mask: int
    value: int


ALWAYS: Final = (
    # Its connection. Only that and /dev/null are open.
    *("recvfrom", "sendto", "write", "writev", "close"),
    # Its memory
    *("munmap", "mremap", "madvise", "brk"),
    # Time
    *("clock_gettime", "clock_getres", "gettimeofday", "time", "times", "getrusage"),
    # Itself
    *("getpid", "gettid", "getrandom", "sched_yield", "rt_sigprocmask", "rt_sigreturn", "sigaltstack"),
    *("restart_syscall", "exit", "exit_group"),
)
"""Calls that are allowed whatever their arguments."""

_FUTEX_OPERATIONS: Final = (0, 1, 9, 10)
"""FUTEX_WAIT, FUTEX_WAKE and the same with a bit set: what locks need."""


def conditional(process: int) -> tuple[tuple[str, tuple[Argument, ...]], ...]:
    """Calls of process ``process`` that are allowed with these arguments; a name may come several times."""
    not_executable = Argument(2, mmap.PROT_EXEC, 0)
    return (
        ("mmap", (not_executable,)),
        ("mprotect", (not_executable,)),
        *(("futex", (Argument(1, _INT & ~_FUTEX_FLAGS, operation),)) for operation in _FUTEX_OPERATIONS),
        ("prlimit64", (Argument(0, _INT, 0), Argument(1, _INT, resource.RLIMIT_CPU))),
        ("tgkill", (Argument(0, _INT, process),)),  # abort()
        ("sched_getaffinity", (Argument(0, _INT, 0),)),
    )


LOOKUPS: Final = (
    *("open", "openat", "stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2"),
    *("readlink", "readlinkat"),
)
"""Calls that fail with EACCES: a library that looks for a file it can do without is no attack. Python does, for one,
when it wants to quote a line of source in a warning."""


@dataclass(frozen=True)
class Architecture:
    """System call numbers by name of one processor architecture, and its number in linux/audit.h."""

    audit_number: int
    numbers: dict[str, int]


# fmt: off
ARCHITECTURES: Final = {
    "x86_64": Architecture(0xC000_003E, {
        "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "mmap": 9, "mprotect": 10, "munmap": 11,
        "brk": 12, "rt_sigprocmask": 14, "rt_sigreturn": 15, "writev": 20, "access": 21, "sched_yield": 24,
        "mremap": 25, "madvise": 28, "getpid": 39, "sendto": 44, "recvfrom": 45, "exit": 60, "readlink": 89,
        "gettimeofday": 96, "getrusage": 98, "times": 100, "sigaltstack": 131, "gettid": 186, "time": 201,
        "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
        "exit_group": 231, "tgkill": 234, "openat": 257, "newfstatat": 262, "readlinkat": 267, "faccessat": 269,
        "prlimit64": 302, "getrandom": 318, "statx": 332, "faccessat2": 439,
    }),
    "aarch64": Architecture(0xC000_00B7, {
        "faccessat": 48, "openat": 56, "close": 57, "write": 64, "writev": 66, "readlinkat": 78, "newfstatat": 79,
        "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "clock_gettime": 113, "clock_getres": 114,
        "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128, "tgkill": 131, "sigaltstack": 132,
        "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153, "getrusage": 165, "gettimeofday": 169, "getpid": 172,
        "gettid": 178, "sendto": 206, "recvfrom": 207, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222,
        "mprotect": 226, "madvise": 233, "prlimit64": 261, "getrandom": 278, "statx": 291, "faccessat2": 439,
    }),
}
# fmt: on
"""By the kernel's name of the machine."""


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(libc: ctypes.CDLL) -> bool:
    """Install the filter in this process, for good; it needs ``no_new_privs``.

    Returns:
        False where the kernel has no seccomp or the processor is another.
    """
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None or sys.maxsize < 2**32:
        return False
    code = program(architecture, os.getpid())
    target = _Program(len(code) // _INSTRUCTION.size, code)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(target), 0, 0) == 0)


def program(architecture: Architecture, process: int) -> bytes:
    """The filter for process ``process``: instructions of the kernel's packet filter, 8 bytes each."""
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in _instructions(architecture, process))


def _instructions(architecture: Architecture, process: int) -> Iterator[tuple[int, int, int, int]]:
    """Code, instructions to skip if a comparison holds, if it does not, and operand of each instruction."""
    numbers = architecture.numbers
    yield _LOAD_WORD, 0, 0, _ARCHITECTURE_AT
    yield _JUMP_IF_EQUAL, 1, 0, architecture.audit_number
    yield _RETURN, 0, 0, _KILL_PROCESS
    yield _LOAD_WORD, 0, 0, _NUMBER_AT
    for names, verdict in ((ALWAYS, _ALLOW), (LOOKUPS, _REFUSE)):
        for number in (numbers[name] for name in names if name in numbers):
            yield _JUMP_IF_EQUAL, 0, 1, number
            yield _RETURN, 0, 0, verdict
    for name, arguments in conditional(process):
        yield _LOAD_WORD, 0, 0, _NUMBER_AT
        yield _JUMP_IF_EQUAL, 0, 3 * len(arguments) + 1, numbers[name]
        for place, argument in enumerate(arguments):
            yield _LOAD_WORD, 0, 0, _ARGUMENTS_AT + 8 * argument.index  # both processors are little-endian
            yield _AND, 0, 0, argument.mask
            yield _JUMP_IF_EQUAL, 0, 3 * (len(arguments) - place - 1) + 1, argument.value
        yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _KILL_PROCESS
