"""Handing one request's units to a device, with its deadline and timings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.pipeline.device.batch import Batcher, Result, Runner, Unit
from service.pipeline.device.task import Task


def run_units(
    batcher: Batcher,
    runner: Runner[Unit, Result],
    units: Sequence[Unit],
    task: Task,
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
        task: whose deadline and cancellation hold.
        report: told how many units are done, if anybody watches the task.
        partial: told the results so far, in order; None stands for a unit that is not done.
        stage: under which the time on the device is noted.

    Raises:
        Problem: as :meth:`Batcher.run`.
        Cancelled: the task was cancelled.
    """
    if not units:
        task.took(stage, 0.0)
        return []
    watched = report if task.progress is not None else None
    done = batcher.run(runner, units, deadline=task.deadline, cancel=task.cancel, progress=watched, partial=partial)
    task.took("queue", done.queue_s, ended_ago_s=done.infer_s)
    task.took(stage, done.infer_s)
    return done.results
