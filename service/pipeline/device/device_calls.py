"""Running any function on a device thread: for steps of a video, which are no batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from service.pipeline.device.batch import Batcher
from service.pipeline.device.task import Work
from service.problems import InferenceUnavailable, Problem

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
