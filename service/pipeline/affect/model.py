"""From the 37 columns to arousal and valence at 10 Hz, and which column at which lag moved them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.attribution import AffectFilter, lags_s, mean_cells
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.filter import read_affect_filter
from service.pipeline.affect.functionals import AffectFeatures
from service.pipeline.device.session import GraphError, Session
from service.pipeline.face.settings import number
from service.pipeline.results import FloatArray
from service.pipeline.video.video_results import Attribution, Statistics
from service.registry import Bundle, BundleError

TARGETS = ("arousal", "valence")


@dataclass(frozen=True)
class _Target:
    session: Session
    filter: AffectFilter | None


class AffectModel:
    """A bundle of the task 'affect': one graph each for arousal and valence, on one thread of the CPU.

    Raises:
        BundleError: a graph or a setting is missing or of another kind.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        card = bundle.card
        try:
            self.hop_s = number(card, "hop_s")
            self.window_s = number(card, "window_s")
            self.look_ahead_s = number(card, "look_ahead_s") + self.window_s / 2
            self.trained = str(card.settings["trained"])
            self._targets = {target: _load(bundle, target) for target in TARGETS}
        except (KeyError, TypeError, OSError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {card.name}/{card.version}: {cause}") from error

    @property
    def reach_rows(self) -> int | None:
        """Rows to either side that an answer may depend on; None of a network that is no single filter."""
        filters = [target.filter for target in self._targets.values()]
        return None if None in filters else max(found.kernel for found in filters if found is not None)

    def series(self, features: AffectFeatures) -> dict[str, FloatArray]:
        """Arousal and valence, float32 [steps] each in −1…1; NaN where no face is known."""
        known = features.tracked > 0
        batch = features.columns[None]
        return {
            name: np.where(known, target.session.run({"features": batch}, ("affect",))["affect"][0], np.nan).astype(
                np.float32
            )
            for name, target in self._targets.items()
        }

    def attribution(self, features: AffectFeatures) -> Attribution | None:
        """Mean over the steps at which a face is known; None without any, or of a deeper network."""
        runs = list(_runs(features.tracked > 0))
        filters = [self._targets[name].filter for name in TARGETS]
        arousal, valence = filters
        if not runs or arousal is None or valence is None or arousal.kernel != valence.kernel:
            return None
        cells = [_mean_over(features.columns, model, runs) for model in (arousal, valence)]
        return Attribution(
            features=COLUMNS,
            lags_s=lags_s(arousal.kernel, self.hop_s),
            arousal=cells[0],
            valence=cells[1],
            arousal_by_feature=cells[0].sum(axis=1),
            valence_by_feature=cells[1].sum(axis=1),
        )


def summarise(series: dict[str, FloatArray]) -> dict[str, Statistics]:
    """Statistics of the known values of each series; one without any is absent."""
    summary = {}
    for name, values in series.items():
        known = values[np.isfinite(values)].astype(np.float64)
        if known.size:
            summary[name] = Statistics(float(known.mean()), float(known.std()), float(known.min()), float(known.max()))
    return summary


def _load(bundle: Bundle, target: str) -> _Target:
    session = Session(bundle.path(target), device="cpu")
    session.require(("features",), ("affect",))
    return _Target(session, read_affect_filter(bundle.path(target).read_bytes()))


def _runs(known: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Begin and end of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _mean_over(columns: NDArray[np.float32], model: AffectFilter, runs: list[tuple[int, int]]) -> NDArray[np.float64]:
    total = np.zeros_like(model.weights)
    for start, stop in runs:
        total += mean_cells(columns, model, start, stop) * (stop - start)
    return np.asarray(total / sum(stop - start for start, stop in runs))
