"""Arousal and valence of a face that is still being watched: rows at 10 Hz, each as soon as it is final.

A row depends on half a window and on the reach of the affect model's filter to either side, so it is final
``look_ahead_s`` after its time. The causal variant does not wait: for a row at the time *t* it takes the frames up
to *t* alone, and the filter sees the last row of features again in place of those that have not come. Such rows
are provisional: they differ from the final ones wherever the face moves after *t*.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.functionals import EDGE_TOLERANCE_S, AffectFeatures
from service.pipeline.affect.model import AffectModel
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.results import FloatArray
from service.problems import Unprocessable


@dataclass(frozen=True)
class AffectRows:
    """Some rows of a timeline; NaN where no face is known.

    Attributes:
        time_s: float64 [rows], steps of the hop.
        arousal, valence: float32 [rows] in −1…1.
        face_confidence: float32 [rows].
        arousal_uncertainty, valence_uncertainty: float32 [rows], half of their 95 % intervals; None where the model
            tells none.
    """

    time_s: NDArray[np.float64]
    arousal: FloatArray
    valence: FloatArray
    face_confidence: FloatArray
    arousal_uncertainty: FloatArray | None = None
    valence_uncertainty: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.time_s)

    @classmethod
    def joined(cls, parts: "Sequence[AffectRows]") -> "AffectRows":
        """Rows that follow each other, from any number of parts."""
        none = np.zeros(0, np.float32)

        def column(name: str) -> FloatArray | None:
            known = [values for part in parts if (values := getattr(part, name)) is not None]
            return np.concatenate([none, *known]) if len(known) == len(parts) else None

        return cls(
            np.concatenate([np.zeros(0), *(part.time_s for part in parts)]),
            np.concatenate([none, *(part.arousal for part in parts)]),
            np.concatenate([none, *(part.valence for part in parts)]),
            np.concatenate([none, *(part.face_confidence for part in parts)]),
            column("arousal_uncertainty"),
            column("valence_uncertainty"),
        )


OnRows = Callable[[AffectRows, int, bool], None]
"""Called with rows, the number of their face, and whether they are final."""


class LiveAffect:
    """Turns the frames of one face into rows. Not thread-safe: frames follow each other.

    Args:
        model: judges the features.
        causal: whether to give provisional rows at once.
        turn: float64 [rows], 1 where somebody speaks, else 0; None stands for zeros.

    Raises:
        Unprocessable: the model is no single filter, so that a part of a series cannot be judged.
    """

    def __init__(self, model: AffectModel, *, causal: bool = False, turn: NDArray[np.float64] | None = None) -> None:
        if model.reach_rows is None:
            raise Unprocessable("This model judges whole recordings only.", pointer="/model")
        self._model = model
        self._reach = model.reach_rows
        self._causal = causal
        self._turn = turn
        self._half_s = model.window_s / 2
        self._ahead = math.ceil((model.look_ahead_s - self._half_s) / model.hop_s - EDGE_TOLERANCE_S)
        self._frames = FaceSeries.empty()
        self._next = 0

    @property
    def rows(self) -> int:
        """Number of rows given so far."""
        return self._next

    def add(self, frames: FaceSeries) -> AffectRows:
        """Take frames; returns the rows that they complete."""
        self._frames = FaceSeries.joined([self._frames, frames])
        if not len(self._frames):
            return AffectRows.joined([])
        last_s = float(self._frames.time_s[-1])
        if self._causal:
            return self._causal_rows(math.floor(last_s / self._model.hop_s + EDGE_TOLERANCE_S) + 1)
        # A row of features is complete when a frame lies behind its window.
        complete = math.ceil((last_s - self._half_s - 2 * EDGE_TOLERANCE_S) / self._model.hop_s)
        return self._final_rows(complete - self._ahead, complete)

    def finish(self, duration_s: float) -> AffectRows:
        """The rows up to the end of a recording of this length; nothing follows."""
        if not len(self._frames):
            return AffectRows.joined([])
        stop = math.floor(duration_s / self._model.hop_s + EDGE_TOLERANCE_S) + 1
        return self._causal_rows(stop) if self._causal else self._final_rows(stop, stop)

    def _final_rows(self, stop: int, stop_features: int) -> AffectRows:
        """Rows up to ``stop``, from features up to ``stop_features``."""
        if stop <= self._next:
            return AffectRows.joined([])
        first, features = self._features(stop_features)
        rows = self._judge(features, slice(self._next - first, stop - first), first)
        self._forget(stop)
        return rows

    def _causal_rows(self, stop: int) -> AffectRows:
        given = []
        whole = self._frames
        while self._next < stop:
            time_s = self._next * self._model.hop_s
            seen = int(np.searchsorted(whole.time_s, time_s + EDGE_TOLERANCE_S, side="right"))
            self._frames = whole[:seen]
            first, features = self._features(self._next + 1)
            columns = np.concatenate([features.columns, np.repeat(features.columns[-1:], self._reach, axis=0)])
            grid_s = np.arange(len(columns), dtype=np.float64) * self._model.hop_s
            tracked = np.concatenate([features.tracked, np.zeros(self._reach)])
            row = self._next - first
            given.append(
                self._judge(AffectFeatures(grid_s, columns, tracked, features.losses_s), slice(row, row + 1), first)
            )
            self._frames = whole
            self._next += 1
        self._forget(self._next)
        return AffectRows.joined(given)

    def _features(self, stop: int) -> tuple[int, AffectFeatures]:
        """Features up to the row ``stop``, from as far back as the next row depends on; and their first row."""
        hop_s = self._model.hop_s
        first = max(0, self._next - self._reach)
        features = self._model.features(
            self._frames.since(first * hop_s),
            turn=None if self._turn is None else self._turn[first:],
            duration_s=(stop - 1 - first) * hop_s,
        )
        return first, features

    def _judge(self, features: AffectFeatures, rows: slice, first: int) -> AffectRows:
        series = self._model.series(features)
        time_s = (first + np.arange(rows.start, rows.stop)) * self._model.hop_s
        told = {name: values[rows] for name, values in series.items()}
        return AffectRows(time_s, face_confidence=features.face_confidence[rows], **told)

    def _forget(self, stop: int) -> None:
        """Keep the frames that the rows from ``stop`` on depend on."""
        self._next = stop
        needed_s = (stop - self._reach - 1) * self._model.hop_s - self._half_s
        begin = int(np.searchsorted(self._frames.time_s, needed_s))
        self._frames = self._frames[min(begin, max(len(self._frames) - 1, 0)) :]
