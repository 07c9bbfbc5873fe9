"""Rows of a recording in bounded memory: all rows of a short one, an even share of a long one's."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray

HALF: Final = np.float16
"""Type in which differences are kept."""

LARGEST_DIFFERENCE: Final = 60_000.0
"""Largest difference that is kept: half precision ends there, and infinities would spread."""

CAPACITY: Final = 4096
"""Largest number of rows kept: 137 s at 30 frames a second, 12 MB with 1,485 features."""

FIRST_CAPACITY: Final = 64
"""Rows that there is room for at first."""


class ThinnedRows:
    """Keeps all rows up to ``CAPACITY``; then every second of those, of what follows every second, and so on.

    The rows that are kept are always evenly spaced among those that were added, and which they are does not depend on
    chance. They are kept as float16 differences from ``base``: these are small, so that half precision costs less
    than 0.05 % of each.

    Args:
        base: float32 [dim], a row near the others.
        capacity: an even number.
    """

    def __init__(self, base: FloatArray, capacity: int = CAPACITY) -> None:
        self.base = base.astype(np.float32)
        self._capacity = capacity
        self._differences = np.empty((min(FIRST_CAPACITY, capacity), len(base)), HALF)
        self._kept = 0
        self._added = 0
        self._step = 1

    def __len__(self) -> int:
        return self._kept

    @property
    def is_complete(self) -> bool:
        """Whether every row that was added is still here."""
        return self._step == 1

    def add(self, row: FloatArray) -> None:
        """Take the next row, float32 [dim], finite."""
        number, self._added = self._added, self._added + 1
        if number % self._step:
            return
        if self._kept == self._capacity:
            self._kept //= 2
            self._differences[: self._kept] = self._differences[: 2 * self._kept : 2].copy()
            self._step *= 2
            if number % self._step:
                return
        if self._kept == len(self._differences):
            self._grow()
        self._differences[self._kept] = np.clip(row - self.base, -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE)
        self._kept += 1

    def _grow(self) -> None:
        larger = np.empty((min(2 * self._kept, self._capacity), len(self.base)), HALF)  # untouched pages cost nothing
        larger[: self._kept] = self._differences
        self._differences = larger

    def rows(self, which: NDArray[np.int64] | slice = slice(None)) -> FloatArray:
        """Some of the rows that are kept, counted from 0: float32 [chosen, dim]."""
        chosen = self._differences[: self._kept][which].astype(np.float32)
        chosen += self.base
        return chosen

    def state(self) -> dict[str, Any]:
        """All that is known, as plain values and arrays."""
        counts = {"capacity": self._capacity, "added": self._added, "step": self._step}
        return {"base": self.base, "differences": self._differences[: self._kept].copy(), **counts}

    @classmethod
    def resume(cls, state: dict[str, Any]) -> ThinnedRows:
        """Rows that go on where :meth:`state` was asked for."""
        rows = cls(state["base"], state["capacity"])
        rows._kept, rows._added, rows._step = len(state["differences"]), state["added"], state["step"]
        if rows._kept:
            rows._differences = state["differences"].copy()
        return rows
