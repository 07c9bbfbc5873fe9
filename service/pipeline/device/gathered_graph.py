"""A graph whose calls from several threads at once run as one batch: frames of different videos share a GPU.

Within one video a face is followed from frame to frame, so its meshes cannot be placed together; those of videos that
are analysed at the same time can. On a CPU a batch gains nothing, and every call goes straight to the session.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from service.pipeline.device.batch import Batcher
from service.pipeline.device.session import Array, Session

MAX_ROWS = 32
"""Of a batch: 32 crops of 256 × 256 pixels take 25 MB."""
LONGEST_S = 60.0
"""A call that takes longer has met a device that hangs."""


class GatheredGraph:
    """One graph with one input, for many threads.

    Args:
        session: the graph; rows of its batch must not depend on each other.
        outputs: what each call gives.
        device: whose thread runs the batches; None runs every call by itself, in the thread that makes it.
    """

    max_batch = MAX_ROWS

    def __init__(self, session: Session, outputs: Sequence[str], device: Batcher | None = None) -> None:
        self._session = session
        self._outputs = tuple(outputs)
        self._device = device
        (self._input,) = session.input_names

    @property
    def provider(self) -> str:
        """What the graph runs on."""
        return self._session.provider

    def __call__(self, rows: Array) -> Mapping[str, Array]:
        """Answer for rows float32 [n ≥ 1, ...]: the outputs, each [n, ...].

        Raises:
            InferenceUnavailable: the device failed twice.
            DeadlineExceeded: it hangs.
            Draining: it is closed.
        """
        if self._device is None:
            return self._session.run({self._input: rows}, self._outputs)
        done = self._device.run(self, list(rows), deadline=time.monotonic() + LONGEST_S)
        parts = zip(*done.results, strict=True)
        return {name: np.stack(part) for name, part in zip(self._outputs, parts, strict=True)}

    def key(self, unit: Array) -> Hashable:
        """Rows of one shape share a batch."""
        return unit.shape

    def run(self, units: Sequence[Array]) -> list[tuple[Array, ...]]:
        """Run rows of one shape together: of each row the outputs in their order."""
        found = self._session.run({self._input: np.stack(units)}, self._outputs)
        return list(zip(*(found[name] for name in self._outputs), strict=True))
