"""The C library's memory: what is freed goes back to the system."""

from __future__ import annotations

import ctypes
import os
from typing import Final

_M_ARENA_MAX: Final = -8  # malloc.h
_ARENAS: Final = 2
_VARIABLE: Final = "MALLOC_ARENA_MAX"


def share_arenas() -> None:
    """Let all threads share two arenas of glibc, unless its variable says otherwise. Call it before there are threads.

    Each thread has an arena of its own else, and what is freed there serves no other. Does nothing where the C library
    has no such call.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None and _VARIABLE not in os.environ:
        choose(ctypes.c_int(_M_ARENA_MAX), ctypes.c_int(_ARENAS))


def return_free_memory() -> None:
    """Hand freed memory back to the system. glibc keeps it otherwise: 49 MiB after an hour of video (measured).

    Takes some milliseconds, in which other threads run. Does nothing where the C library has no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
