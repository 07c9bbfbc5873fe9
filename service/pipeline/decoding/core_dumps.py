"""No picture of this process's memory may be written to a disk: it holds recordings (serving_notes 2.6)."""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_core_dumps() -> None:
    """Forbid core dumps of this process and its children, by size and, on Linux, also to programs that take them.

    The kernel ignores the size where ``core_pattern`` names a program; a process that is not dumpable has no core at
    all, and no debugger of the same user can read its memory. Forked children inherit that, other programs do not.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
