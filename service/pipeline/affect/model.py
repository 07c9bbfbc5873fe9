"""The affect model: arousal and valence at 10 Hz out of the 37 columns, and which column at which lag moved them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.attribution import AffectFilter, Attribution, attribute, read_affect_filter
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.functionals import AffectFeatures, affect_features
from service.pipeline.device.session import GraphError, Session
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.results import FloatArray
from service.registry import Bundle, BundleError

TARGETS: Final = ("arousal", "valence")
"""Names of the answers; each is one graph of the bundle."""

UNCERTAINTY: Final = "uncertainty"
"""Output of a graph that knows how far refits of it lie apart: half the 95 % interval of each answer."""


@dataclass(frozen=True)
class _Target:
    session: Session
    outputs: tuple[str, ...]
    filter: AffectFilter | None


class AffectModel:
    """A bundle of the task 'affect': one graph each for arousal and valence, or for one of them, on one CPU thread.

    Attributes:
        bundle: its files and its card.
        hop_s, window_s: seconds between two answers, and length of the window behind each.
        look_ahead_s: seconds of the future that an answer takes.
        trained: training data, as the card names it: 'prior' means that no labelled time series was seen.

    Raises:
        BundleError: a graph or a setting is missing or of another kind.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        card = bundle.card
        try:
            self.hop_s = card.number("hop_s")
            self.window_s = card.number("window_s")
            self.look_ahead_s = card.number("look_ahead_s") + self.window_s / 2
            self.trained = str(card.settings["trained"])
            roles = {entry.role for entry in card.files.values()}
            told = [target for target in TARGETS if target in roles] or TARGETS
            self._targets = {target: _load(bundle, target) for target in told}
        except (KeyError, TypeError, OSError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {card.name}/{card.version}: {cause}") from error

    @property
    def reach_rows(self) -> int | None:
        """Rows to either side that an answer may depend on; None where a graph is no single filter."""
        filters = [target.filter for target in self._targets.values()]
        return None if None in filters else max(found.kernel for found in filters if found is not None)

    @property
    def tells_both(self) -> bool:
        """Whether both targets are answered."""
        return len(self._targets) == len(TARGETS)

    def features(
        self, face: FaceSeries, *, turn: NDArray[np.float64] | None = None, duration_s: float | None = None
    ) -> AffectFeatures:
        """The columns of a face, by the window and the hop of the card; arguments as :func:`affect_features`."""
        return affect_features(face, turn=turn, duration_s=duration_s, window_s=self.window_s, hop_s=self.hop_s)

    def series(self, features: AffectFeatures) -> dict[str, FloatArray]:
        """Arousal and valence, float32 [steps] each in −1…1, and where the bundle tells ``arousal_uncertainty`` and
        ``valence_uncertainty``, half of their 95 % intervals; NaN where no face is known, or the target has no graph.
        """
        known = features.tracked > 0
        series = {target: np.full(len(known), np.nan, np.float32) for target in TARGETS}
        for name, target in self._targets.items():
            for output, batch in target.session.run({"features": features.columns[None]}, target.outputs).items():
                member = name if output == "affect" else f"{name}_{output}"
                series[member] = np.where(known, batch[0], np.nan).astype(np.float32)
        return series

    def attribution(self, features: AffectFeatures) -> Attribution | None:
        """Mean over the steps at which a face is known; None without any, or without a single filter of each target."""
        arousal, valence = (self._targets[name].filter if name in self._targets else None for name in TARGETS)
        if arousal is None or valence is None:
            return None
        return attribute(features.columns, COLUMNS, features.tracked > 0, arousal, valence, self.hop_s)


def _load(bundle: Bundle, target: str) -> _Target:
    session = Session(bundle.path(target), device="cpu")
    session.require(("features",), ("affect",))
    outputs = tuple(name for name in ("affect", UNCERTAINTY) if name in session.output_names)
    return _Target(session, outputs, read_affect_filter(bundle.path(target).read_bytes()))
