"""The C library's memory: what is freed goes back to the system."""

import ctypes
import os
from typing import Final

MIB: Final = 2**20

_CHOICES: Final = {
    "MALLOC_ARENA_MAX": (-8, 2),
    "MALLOC_MMAP_THRESHOLD_": (-3, 4 * MIB),
    "MALLOC_TRIM_THRESHOLD_": (-1, 32 * MIB),
}
"""Variable of glibc, its number in malloc.h, and what the service chooses.

Each thread has an arena of its own else, and what is freed there serves no other. The thresholds grow else with the
blocks that are freed, and large blocks then stay in arenas; set once, they no longer grow.
"""


def choose_malloc() -> None:
    """Let threads share two arenas of glibc, and let large freed blocks go. Call it before there are threads.

    A variable of glibc in the environment goes before. Does nothing where the C library has no such call.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    for variable, (number, value) in _CHOICES.items():
        if choose is not None and variable not in os.environ:
            choose(ctypes.c_int(number), ctypes.c_int(value))


def return_free_memory() -> None:
    """Hand freed memory back to the system. glibc keeps it otherwise: 49 MiB after an hour of video (measured).

    Takes some milliseconds, in which other threads run. Does nothing where the C library has no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
