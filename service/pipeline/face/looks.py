"""Numbers that a network saw in pictures of a face, look by look and as rows of a timeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray

EARLY_S: Final = 0.005
"""How much earlier than that a frame may come: time stamps are rounded."""

LOOK_WINDOW_S: Final = 1.0
"""Width of the window whose looks a row is the mean of, as of the action units."""


@dataclass(frozen=True)
class ExpressionColumns:
    """Meaning of the numbers of one look, in their order.

    Attributes:
        has_plane: whether valence and arousal come first.
        labels: classes, whose probabilities follow.
        action_units: units, whose intensities 0…5 come last.
    """

    has_plane: bool
    labels: tuple[str, ...]
    action_units: tuple[str, ...]

    @property
    def outputs(self) -> Mapping[str, int]:
        """Outputs of the graph, in order, and how many numbers each has."""
        counts = {"probabilities": len(self.labels), "action_units": len(self.action_units)}
        plane = {"valence": 1, "arousal": 1} if self.has_plane else {}
        return plane | {name: count for name, count in counts.items() if count}

    @property
    def width(self) -> int:
        """Number of numbers of a look."""
        return sum(self.outputs.values())


@dataclass(frozen=True)
class Looks:
    """A network's looks at one face.

    Attributes:
        time_s: float64 [looks], increasing.
        values: float32 [looks, width].
    """

    time_s: NDArray[np.float64]
    values: FloatArray

    def at(self, grid_s: NDArray[np.float64], known: NDArray[np.bool_]) -> FloatArray:
        """Means over the second around each row, float32 [rows, width]; NaN where no face is known or looked at.

        Args:
            grid_s: float64 [rows], times of the rows.
            known: bool [rows], whether a face is known.
        """
        first = np.searchsorted(self.time_s, grid_s - LOOK_WINDOW_S / 2 - EARLY_S)
        stop = np.searchsorted(self.time_s, grid_s + LOOK_WINDOW_S / 2 + EARLY_S, side="right")
        sums = np.concatenate([np.zeros((1, self.values.shape[1])), np.cumsum(self.values, axis=0, dtype=np.float64)])
        count = stop - first
        means = (sums[stop] - sums[first]) / np.maximum(count, 1)[:, None]
        return np.where((known & (count > 0))[:, None], means, np.nan).astype(np.float32)


@dataclass(frozen=True)
class ExpressionSeries:
    """A network's numbers, row by row.

    Attributes:
        columns: what the numbers mean.
        values: float32 [rows, width]; NaN where nothing is known.
    """

    columns: ExpressionColumns
    values: FloatArray

    @classmethod
    def of(
        cls,
        columns: ExpressionColumns,
        looks: Looks | None,
        grid_s: NDArray[np.float64],
        known: NDArray[np.bool_],
    ) -> "ExpressionSeries":
        """The rows of a face; arguments as :meth:`Looks.at`, and no look where there is no face."""
        if looks is None or not len(looks.time_s):
            return cls(columns, np.full((len(grid_s), columns.width), np.nan, np.float32))
        return cls(columns, looks.at(grid_s, known))

    def output(self, name: str) -> FloatArray | None:
        """The numbers of one output of :attr:`ExpressionColumns.outputs`, float32 [rows, count]; None without it."""
        first = 0
        for output, count in self.columns.outputs.items():
            if output == name:
                return self.values[:, first : first + count]
            first += count
        return None

    def mean(self, name: str) -> FloatArray | None:
        """Means of one output over the rows that are known, float32 [count]; None without it or such a row."""
        values = self.output(name)
        known = None if values is None else values[np.isfinite(values).all(axis=1)]
        return None if known is None or not len(known) else known.mean(axis=0, dtype=np.float64).astype(np.float32)
