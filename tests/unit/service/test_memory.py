"""Memory that was freed goes back: at once where that is asked for, and once in a while after requests."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import httpx
import psutil
import pytest

from service import server
from service.memory import return_free_memory
from tests.shared_material import ROOT
from tests.support.live_server import serving, small_settings
from tests.support.patience import wait_until

MIB = 2**20


def test_freed_memory_goes_back_to_the_system():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    blocks = [libc.malloc(64 * 1024) for _ in range(1024)]
    for block in blocks:
        ctypes.memset(block, 1, 64 * 1024)
    full = psutil.Process().memory_info().rss
    for block in blocks[:-1]:  # the last keeps the heap from shrinking by itself
        libc.free(block)
    return_free_memory()
    assert full - psutil.Process().memory_info().rss > 32 * MIB
    libc.free(blocks[-1])


PROGRAM = """
import ctypes, threading
from service.memory import choose_malloc
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
choose_malloc()
barrier = threading.Barrier(16)
def work():
    barrier.wait()
    libc.malloc(1000)
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


def run_without_malloc_variables(program: str, settings: dict[str, str], *arguments: str) -> str:
    known = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=known | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


@pytest.mark.parametrize(("settings", "most"), [({}, 2), ({"MALLOC_ARENA_MAX": "5"}, 5)])
def test_threads_choose_malloc_unless_a_variable_says_how_many(settings: dict[str, str], most: int):
    assert run_without_malloc_variables(PROGRAM, settings).count("<heap ") == most


LARGE_AFTER_LARGER = """
import ctypes, sys
from service.memory import choose_malloc
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
choose_malloc()
libc.free(libc.malloc(16 * 2**20))  # raises the threshold to 16 MiB where nothing has set it
held = libc.malloc(int(sys.argv[1]))
maps = [line.split()[0].split("-") for line in open("/proc/self/maps") if "[heap]" in line]
print(any(int(start, 16) <= held < int(end, 16) for start, end in maps))
"""


@pytest.mark.parametrize(
    ("size", "settings", "in_heap"),
    [
        (2 * MIB, {}, "True"),
        (8 * MIB, {}, "False"),
        (8 * MIB, {"MALLOC_MMAP_THRESHOLD_": str(16 * MIB)}, "True"),
        (2 * MIB, {"MALLOC_MMAP_THRESHOLD_": str(MIB)}, "False"),
    ],
)
def test_large_blocks_stay_out_of_the_heap_as_a_variable_or_the_service_says(
    size: int, settings: dict[str, str], in_heap: str
):
    assert run_without_malloc_variables(LARGE_AFTER_LARGER, settings, str(size)) == f"{in_heap}\n"


def test_a_server_gives_memory_back_after_requests_and_not_without(monkeypatch: pytest.MonkeyPatch):
    threads: list[threading.Thread] = []
    monkeypatch.setattr(server, "TIDY_S", 0.0)
    monkeypatch.setattr(server, "QUIET_LOOK_S", 0.01)
    monkeypatch.setattr(server, "return_free_memory", lambda: threads.append(threading.current_thread()))
    with serving(small_settings()) as live:
        looks = iter(range(100))
        assert threads == []
        for count in (1, 2):
            assert httpx.get(f"{live.url}/v2/health/live").status_code == 200
            wait_until(lambda count=count: len(threads) == count)
            wait_until(lambda: next(looks) % 20 == 19)  # some more looks of the server
            assert len(threads) == count
    assert not any(thread is threading.main_thread() for thread in threads)
