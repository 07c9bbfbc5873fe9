"""Running any function on a device thread: for steps of a video, which are no batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from service.pipeline.device.batch import Batcher, BatchRunner, Result, Unit
from service.pipeline.device.task import Work
from service.problems import InferenceUnavailable, Problem


def run_units(
    batcher: Batcher,
    runner: BatchRunner[Unit, Result],
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


Answer = TypeVar("Answer")


def run_on_device(device: Batcher, call: Callable[[], Answer], work: Work) -> Answer:
    """Run ``call`` on a thread of ``device``: as many at once as there are threads, whoever asks.

    Raises:
        Problem: what ``call`` raised, or as :meth:`Batcher.run`.
        Cancelled: the work was cancelled.
    """
    done = device.run(_CALLS, [call], deadline=work.deadline, cancel=work.cancel)
    answer: Answer | Problem = done.results[0]
    if isinstance(answer, Problem):
        raise answer
    return answer


class _Calls:
    """Runs anything, one at a time. A problem is an answer, not a failure."""

    max_batch = 1

    def key(self, unit: Callable[[], Any]) -> Hashable:
        """None share a run."""
        return id(unit)

    def run(self, units: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run each."""
        return [_attempt(unit) for unit in units]


_CALLS = _Calls()


def _attempt(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - a call gives what it gives
    try:
        return call()
    except Problem as problem:
        return problem


def only_once(call: Callable[[], Answer]) -> Callable[[], Answer]:
    """``call`` as one that is not tried again when it fails, for it changes what it works on.

    Raises:
        InferenceUnavailable: in place of whatever it raised that is no problem.
    """

    def guarded() -> Answer:
        try:
            return call()
        except Problem:
            raise
        except Exception as error:
            raise InferenceUnavailable(retry_after_s=1.0) from error

    return guarded
