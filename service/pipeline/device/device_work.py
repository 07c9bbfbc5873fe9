"""Handing one request's units to a device, with its deadline and timings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.pipeline.device.batch import Batcher, Result, Runner, Unit
from service.pipeline.device.task import Work


def run_units(
    batcher: Batcher,
    runner: Runner[Unit, Result],
    units: Sequence[Unit],
    work: Work,
    report: Callable[[int], None] | None = None,
    *,
    stage: str = "infer",
    partial: Callable[[Sequence[Result | None]], None] | None = None,
) -> list[Result]:
    """Have units run, and note how long they waited and took.

    Args:
        batcher: threads of the device.
        runner: the model.
        units: what it takes; may be empty.
        work: whose deadline and cancellation hold.
        report: told how many units are done, if anybody watches the task.
        partial: told the results so far, in order; None stands for a unit that is not done.
        stage: under which the time on the device is noted.

    Raises:
        Problem: as :meth:`Batcher.run`.
        Cancelled: the work was cancelled.
    """
    if not units:
        work.took(stage, 0.0)
        return []
    watched = report if work.progress is not None else None
    done = batcher.run(runner, units, deadline=work.deadline, cancel=work.cancel, progress=watched, partial=partial)
    work.took("queue", done.queue_s, ended_ago_s=done.infer_s)
    work.took(stage, done.infer_s)
    return done.results
