"""Rights that a decoder process gives up before it sees a file, in independent layers.

Resource limits, no privileges, Landlock, and a seccomp filter. Which of them the kernel grants is told.
"""

import contextlib
import ctypes
import os
import resource
from dataclasses import dataclass
from typing import Any, Final

from service.pipeline.decoding import landlock, seccomp

# linux/prctl.h, linux/capability.h
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x2008_0522
_CAP_KILL: Final = 5
_CAP_SETGID: Final = 6
_CAP_SETUID: Final = 7

_FIRST_OWN_USER: Final = 2_000_000_000
"""The user of a decoder that starts as root is this plus its process id: nobody else's, not even another decoder's."""

_NOBODY: Final = 65_534
"""Its user where that one is not mapped into the user namespace."""

_Capabilities = ctypes.c_uint32 * 6
_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Confinement:
    """The layers that hold a decoder process, beside its resource limits.

    Attributes:
        seccomp: whether system calls are filtered.
        landlock: version of the kernel's Landlock interface; 0 where it has none.
        unprivileged: whether the process is neither root nor has any capability.
    """

    seccomp: bool
    landlock: int
    unprivileged: bool

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Confinement":
        """Read what a process tells of itself. Raises ValueError if it tells nothing of the kind."""
        told = message.get("confinement")
        if not isinstance(told, dict):
            raise ValueError("a process that tells no confinement")
        return cls(bool(told.get("seccomp")), int(told.get("landlock") or 0), bool(told.get("unprivileged")))

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the layers that do not hold it."""
        return tuple(name for name in ("seccomp", "landlock", "unprivileged") if not getattr(self, name))


def confine(memory_bytes: int) -> Confinement:
    """Take away files, sockets, other processes, disk, core dumps and memory beyond ``memory_bytes``, for good.

    What is open stays open: one connection. Everything Python or FFmpeg loads late must be loaded by now.
    """
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock_version = landlock.restrict(_libc)
    unprivileged = _give_up_privileges()
    forbid_core_dumps()  # again: a change of user undoes it
    _limit_resources(memory_bytes)
    return Confinement(seccomp.install(_libc), landlock_version, unprivileged)


def forbid_core_dumps() -> None:
    """Forbid core dumps of this process and its children: their memory holds recordings, which no disk may get.

    The limit on the size is ignored where ``core_pattern`` names a program, so on Linux the process is made undumpable
    too; then no debugger of the same user can read its memory. Forked children inherit that, other programs do not.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def renew_cpu_limit(cpu_s: float) -> None:
    """Let this process use ``cpu_s`` more seconds of CPU; then the kernel ends it with SIGXCPU."""
    used_s = sum(os.times()[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used_s + cpu_s) + 1, hard))


def _give_up_privileges() -> bool:
    """Become a user of its own where this one may, drop all capabilities, and tell whether none is left."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    held = _Capabilities()
    _libc.capget(header, held)
    # A user of its own can still be ended by the service only if that has CAP_KILL, as this process has now.
    needed = 1 << _CAP_KILL | 1 << _CAP_SETGID | 1 << _CAP_SETUID
    if held[0] & needed == needed:
        _change_user()
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    _libc.capset(header, _Capabilities())
    _libc.capget(header, held)
    return os.geteuid() != 0 and not any(held)


def _change_user() -> None:
    for user in (_FIRST_OWN_USER + os.getpid(), _NOBODY):
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            return


def _limit_resources(memory_bytes: int) -> None:
    limits = {
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_AS: memory_bytes,
    }
    for which, value in limits.items():
        resource.setrlimit(which, (value, value))
