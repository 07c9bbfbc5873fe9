"""Descriptors, threads and memory of this process, which is also the server's: the same after a table as before."""

import gc
import threading
from collections.abc import Iterator

import psutil
import pytest

from tests.support.patience import wait_until

MIB = 1024 * 1024
SPARE_DESCRIPTORS = 6
MAX_LIBRARY_THREADS = 16
"""Threads that libraries start once and keep: not ours, and not seen by Python."""
MAX_GROWTH_BYTES = 384 * MIB
"""Growth in memory during one table and its libraries; a leak of one 4 MiB upload a row exceeds it."""


@pytest.fixture(scope="module", autouse=True)
def footprint() -> Iterator[None]:
    """Begins before any server of the module and ends after all of them have stopped."""
    process = psutil.Process()
    descriptors, memory_bytes = process.num_fds(), process.memory_info().rss
    threads, native_threads = threading.active_count(), process.num_threads()
    yield
    gc.collect()  # clients of tests that broke off are held by reference cycles
    wait_until(lambda: process.num_fds() <= descriptors + SPARE_DESCRIPTORS)
    wait_until(lambda: threading.active_count() <= threads)
    wait_until(lambda: process.num_threads() <= native_threads + MAX_LIBRARY_THREADS)
    assert process.memory_info().rss - memory_bytes < MAX_GROWTH_BYTES
