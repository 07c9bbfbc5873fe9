"""A graph that batches concurrent calls, so that frames of different videos share a GPU.

Within one video each frame depends on the face found in the frame before, so only frames of different videos can share
a batch. On a CPU a batch gains nothing, and every call goes straight to the session.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from service.pipeline.device.batch import Batcher
from service.pipeline.device.session import Array, Session
from service.pipeline.device.task import Work

MAX_ROWS = 32
"""Most rows in a batch: 32 crops of 256 × 256 pixels take 25 MB."""
LONGEST_S = 60.0
"""Seconds after which a call is given up: the device hangs."""


class GatheredGraph:
    """One graph with one input, called from many threads.

    Args:
        session: the graph; the rows of a batch must not depend on each other.
        outputs: names of the outputs to compute.
        device: threads that run the batches; None runs each call alone in its own thread.
    """

    max_batch = MAX_ROWS

    def __init__(self, session: Session, outputs: Sequence[str], device: Batcher | None = None) -> None:
        self._session = session
        self._outputs = tuple(outputs)
        self._device = device
        (self._input,) = session.input_names

    @property
    def provider(self) -> str:
        """Execution provider of the graph."""
        return self._session.provider

    def __call__(self, rows: Array) -> Mapping[str, Array]:
        """Outputs by name, each [n, ...], for rows float32 [n ≥ 1, ...].

        Raises:
            InferenceUnavailable: the device failed twice.
            DeadlineExceeded: the device hangs.
            Draining: the device is closed.
        """
        if self._device is None:
            return self._session.run({self._input: rows}, self._outputs)
        done = self._device.run(self, list(rows), Work.within(LONGEST_S))
        parts = zip(*done.results, strict=True)
        return {name: np.stack(part) for name, part in zip(self._outputs, parts, strict=True)}

    def key(self, unit: Array) -> Hashable:
        """The shape of a row; rows of equal shape share a batch."""
        return unit.shape

    def run(self, units: Sequence[Array]) -> list[tuple[Array, ...]]:
        """Run rows of one shape together; returns each row's outputs in order."""
        found = self._session.run({self._input: np.stack(units)}, self._outputs)
        return list(zip(*(found[name] for name in self._outputs), strict=True))
