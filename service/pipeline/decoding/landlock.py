"""Landlock without a single rule: no path, no port, and no process outside can be reached.

It is three system calls; the bindings that are in use (landlock 1.0.0.dev5) know neither ports nor processes.
"""

import ctypes
import os
from typing import Final

# linux/landlock.h; the numbers of these calls are the same on every processor.
_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1

_FILE_RIGHTS: Final = ((5, 16), (3, 15), (2, 14), (1, 13))
"""Version of the interface, and the number of file rights known from it on."""

_PORTS_FROM: Final = 4
_PORT_RIGHTS: Final = 0b11  # bind, connect
_SCOPES_FROM: Final = 6
_SCOPES: Final = 0b11  # abstract sockets, signals


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def restrict(libc: ctypes.CDLL) -> int:
    """Give up everything that the kernel's Landlock controls, for good; needs ``no_new_privs`` and one descriptor.

    Returns:
        The version of the kernel's interface: from 1 on files, 2 links between folders, 3 truncation, 4 TCP ports,
        5 devices, 6 signals and abstract sockets. 0 where there is none.
    """
    version = int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION))
    if version < 1:
        return 0
    rights = next(count for first, count in _FILE_RIGHTS if version >= first)
    wanted = _Ruleset(
        (1 << rights) - 1, _PORT_RIGHTS if version >= _PORTS_FROM else 0, _SCOPES if version >= _SCOPES_FROM else 0
    )
    # Older kernels take a longer structure too, as long as what they do not know is 0.
    ruleset = int(libc.syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(ctypes.sizeof(wanted)), 0))
    if ruleset < 0:
        return 0
    try:
        return version if libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)
