"""Many recordings, judged several at once, whose answers come in the order of the recordings."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from service.local.answers import Answer
from service.local.engine import PATIENCE_S, LocalEngine
from service.local.judge import Choices, judge
from service.local.sources import Source
from service.pipeline.device.task import Work


class Watching(Protocol):
    """Somebody who is told of one recording at a time; of several at once only their ends are known."""

    def begin(self, source: Source) -> None:
        """A recording is begun."""

    def update(self, share: float) -> None:
        """The share of it that is done, 0…1."""


@dataclass(frozen=True)
class Judged:
    """A recording and its answer; ``answer`` waits for it, and raises what :func:`judge` raised."""

    source: Source
    answer: Callable[[], Answer]


def answers(
    engine: LocalEngine, choices: Choices, sources: Sequence[Source], workers: int, watching: Watching
) -> Iterator[Judged]:
    """Judge ``sources``, up to ``workers`` of them at once; the engine needs as many decoders."""
    if workers == 1:
        for source in sources:
            watching.begin(source)
            work = Work.within(PATIENCE_S, progress=watching.update)
            yield Judged(source, partial(judge, engine, source, choices, work))
        return
    cancel = threading.Event()
    waiting: deque[Judged] = deque()
    with ThreadPoolExecutor(workers, "analyze") as pool:
        try:
            for source in sources:
                work = Work.within(PATIENCE_S, cancel)
                waiting.append(Judged(source, pool.submit(judge, engine, source, choices, work).result))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            cancel.set()
            pool.shutdown(wait=False, cancel_futures=True)
