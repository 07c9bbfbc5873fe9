"""Recordings judged by the actors of Ray Data, on this machine or on a cluster.

Ray's memory holds names of files and answers; a recording is read by the actor that judges it.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Final

from service.cli.terminal import UsageError, failure_line
from service.local.answers import Answer
from service.local.engine import PATIENCE_S, running_engine
from service.local.judge import Choices, judge
from service.local.sources import FileError, Source
from service.pipeline.device.task import Work
from service.registry import Registry
from service.settings import Settings

BLOCK: Final = 32
"""Most recordings that an actor takes at once: what it loses where it is killed."""


def require_ray(sources: Sequence[Source]) -> None:
    """Check that Ray Data is installed and can judge ``sources``.

    Raises:
        UsageError: it is not, or it cannot.
    """
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it once
        import ray.data  # noqa: F401
    except ImportError as error:
        raise UsageError("--ray needs Ray Data: pip install 'emoserve[ray]'") from error
    if any(source.path is None for source in sources):
        raise UsageError("--ray reads files, and no standard input")


def bundle_names(registry: Registry) -> list[str]:
    """Name, version and hash of every bundle."""
    return sorted(f"{bundle.card.name}/{bundle.card.version}@{bundle.sha256}" for bundle in registry.bundles)


class _Actor:
    """Judges recordings with models of its own."""

    def __init__(self, settings: Settings, choices: Choices, bundles: list[str]) -> None:
        self._choices = choices
        self._opened = ExitStack()
        self._engine = self._opened.enter_context(running_engine(settings))
        if bundle_names(self._engine.registry) != bundles:
            raise UsageError("a machine of the cluster has other models than this one")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        answer: Answer | None = None
        reason: str | None = None
        try:
            answer = judge(self._engine, pickle.loads(row["source"]), self._choices, Work.within(PATIENCE_S))
        except Exception as error:
            reason = failure_line(error)
            if reason is None:
                raise
        return {"number": row["number"], "outcome": pickle.dumps((answer, reason))}


def ray_answers(
    settings: Settings, choices: Choices, bundles: list[str], sources: Sequence[Source], workers: int
) -> Iterator[tuple[Source, Callable[[], Answer]]]:
    """Judge ``sources`` by at most ``workers`` actors, in whatever order they end; an answer is told by a call.

    ``RAY_ADDRESS`` names a cluster; without, one is started here and ends with this process.

    Args:
        bundles: :func:`bundle_names` of each actor's registry.
    """
    import ray

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.init(log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [
        {"number": number, "source": pickle.dumps(replace(source, path=source.path and source.path.absolute()))}
        for number, source in enumerate(sources)
    ]
    blocks = min(len(rows), max(4 * workers, -(-len(rows) // BLOCK)))
    judged = ray.data.from_items(rows, override_num_blocks=blocks).map(
        _Actor,
        fn_constructor_args=(settings, choices, bundles),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
        num_gpus=1 if settings.device == "cuda" else 0,
    )
    waiting = dict(enumerate(sources))
    try:
        for row in judged.iter_rows():
            if row["number"] in waiting:  # else its block was judged again, for an actor that was killed
                yield waiting.pop(row["number"]), partial(_answer, row["outcome"])
    finally:
        ray.shutdown()


def _answer(outcome: bytes) -> Answer:
    answer: Answer
    answer, reason = pickle.loads(outcome)
    if reason is not None:
        raise FileError(reason)
    return answer
