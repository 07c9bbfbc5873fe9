"""Runs the parts of a job one after another, as a service does, with an interruption wherever one is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.jobs.files import PartFiles
from service.jobs.job import JobOptions
from service.jobs.plans import JobPlans, Result
from service.jobs.spool import JobSpool, Spool
from service.pipeline.device.task import Work


@dataclass
class Bytes:
    """A source of bytes in memory; notes the largest piece that was asked for."""

    content: bytes
    largest: int = 0

    def __len__(self) -> int:
        return len(self.content)

    def read(self, start: int, size: int) -> bytes:
        self.largest = max(self.largest, size)
        return self.content[start : start + size]


def run_job(
    plans: JobPlans,
    options: JobOptions,
    content: bytes,
    folder: Spool,
    interrupt: Callable[[int], bool] = lambda _number: False,
) -> tuple[Result, int]:
    """The answer, and how many segments it took.

    Args:
        interrupt: whether everything in memory is lost before the segment of that number, counted over all parts.
    """
    handle = f"job{len(folder.handles())}"
    spool: JobSpool = folder.create_job(handle, b"k" * 32)
    work = Work(time.monotonic() + 60, None, None)
    done = 0
    for name in plans.parts(options):
        files = PartFiles(spool, name)
        part, number, last = None, 0, False
        while not last:
            if part is not None and interrupt(done):
                part.close()
                part = None
            if part is None:
                part = plans.make(name, options, spool, files.state(number), Bytes(content))
            segment = part.run(work)
            assert 0 <= segment.share <= 1
            files.store(number, segment.record, segment.state)
            number, done, last = number + 1, done + 1, segment.last
        part.close()
    return plans.join(options, spool), done
