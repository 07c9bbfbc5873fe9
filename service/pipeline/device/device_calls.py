"""Calls on the device: batches of units with their timings, and single functions for steps of a video."""

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
    """Run units on the device, and count their waiting as 'queue' and their running as ``stage``.

    Args:
        batcher, runner: the device's threads and the model.
        units: the model's inputs; may be empty.
        work: the request's work.
        report: called with the number of finished units, if ``work`` has a progress.
        stage: name of the stage.
        partial: called with the results so far in order, None for an unfinished unit.

    Raises:
        Problem, Cancelled: as :meth:`Batcher.run`.
    """
    if not units:
        work.took(stage, 0.0)
        return []
    watched = report if work.progress is not None else None
    done = batcher.run(runner, units, work, progress=watched, partial=partial)
    work.took("queue", done.queue_s, ended_ago_s=done.infer_s)
    work.took(stage, done.infer_s)
    return done.results


Answer = TypeVar("Answer")


def run_on_device(device: Batcher, call: Callable[[], Answer], work: Work) -> Answer:
    """Run ``call`` on a thread of ``device``. Raises its problem, or as :meth:`Batcher.run`."""
    done = device.run(_CALLS, [call], work)
    answer: Answer | Problem = done.results[0]
    if isinstance(answer, Problem):
        raise answer
    return answer


class _Calls:
    """Runs functions one at a time. A problem is a result and no failure, so it is not retried."""

    max_batch = 1

    def key(self, unit: Callable[[], Any]) -> Hashable:
        """Give every call its own run."""
        return id(unit)

    def run(self, units: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run each function."""
        return [_attempt(unit) for unit in units]


_CALLS = _Calls()


def _attempt(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - a call returns any type
    try:
        return call()
    except Problem as problem:
        return problem


def only_once(call: Callable[[], Answer]) -> Callable[[], Answer]:
    """``call`` without the retry, for a function that changes its own state.

    Raises:
        InferenceUnavailable: in place of any exception that is no problem.
    """

    def guarded() -> Answer:
        try:
            return call()
        except Problem:
            raise
        except Exception as error:
            raise InferenceUnavailable(retry_after_s=1.0) from error

    return guarded
