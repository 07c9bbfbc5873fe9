"""Classes that an experiment tells apart: all emotions, or two groups of them (D10, D11)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.classifiers.examples import TrainingError
from export.corpora.labels import PLANE
from export.features.table import FeatureTable

Grouping = Literal["negative-rest", "negative-neutral", "high-low"]

GROUPINGS: dict[Grouping, tuple[int, dict[str, str]]] = {
    "negative-rest": (1, {"negative": "NEG", "neutral": "IDL", "positive": "IDL"}),
    "negative-neutral": (1, {"negative": "NEG", "neutral": "NEU"}),
    "high-low": (0, {"high": "HIGH", "low": "LOW"}),
}
"""Grouping to the place of its level in :data:`PLANE` (0 arousal, 1 valence), and level to class.

'negative-rest' is D10's NEG against IDL. Emotions whose level has no class are left out: 'negative-neutral' has no
positive ones.
"""


@dataclass(frozen=True)
class Classes:
    """Classes of an experiment: every emotion where ``grouping`` is None.

    Attributes:
        name: for tables: 'all', or '2' with the names of both.
    """

    grouping: Grouping | None = None

    @property
    def name(self) -> str:
        """As tables have it."""
        return "all" if self.grouping is None else f"2, {self.grouping}"

    @property
    def kind(self) -> str:
        """'2' or 'all', as the papers' tables are told apart."""
        return "all" if self.grouping is None else "2"

    def kept(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each row of these emotions has a class, bool [rows].

        Raises:
            TrainingError: an emotion whose place is not known.
        """
        return np.array([name is not None for name in self._named(labels)], dtype=bool)

    def of(self, table: FeatureTable) -> FeatureTable:
        """The rows of ``table`` that have a class, with it as their label.

        Raises:
            TrainingError: an emotion whose place is not known.
        """
        if self.grouping is None:
            return table
        names = self._named(table.labels)
        kept = table.rows(self.kept(table.labels))
        return replace(kept, labels=tuple(name for name in names if name is not None))

    def _named(self, labels: Sequence[str]) -> list[str | None]:
        if self.grouping is None:
            return list(labels)
        place, names = GROUPINGS[self.grouping]
        unknown = sorted(set(labels) - PLANE.keys())
        if unknown:
            raise TrainingError(f"the arousal and valence of {', '.join(unknown)} are not known")
        return [names.get(PLANE[label][place]) for label in labels]
