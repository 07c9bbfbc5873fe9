"""Figures of a model card, computed from a bundle's predictions."""

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from export.corpora.labels import AROUSAL_LEVELS, PLANE, VALENCE_LEVELS
from export.corpora.tables import Corpus
from export.evaluation.bundle import CorpusAnswers, truth
from export.evaluation.conformal import Judged, set_sizes, share_covered
from export.evaluation.metrics import (
    Interval,
    accuracy,
    bootstrap_uar,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    unweighted_average_recall,
)
from export.evaluation.ratings import RatingFigures, rating_figures
from service.card import Doubt


@dataclass(frozen=True)
class EmotionReport:
    """Figures of one bundle on one partition of one corpus.

    ``uar`` and what follows choose among the classes that corpus and model share; ``open_uar`` among all of the
    model's. Utterances of classes that the model lacks are left out and counted in ``left_out``. ``arousal_uar`` and
    ``valence_uar`` have levels by mapping as their truth, from the emotion's place in the plane; they are None where
    the model does not give them, or where an emotion of the corpus has no place. ``ratings`` has listeners' ratings as
    its truth, of all utterances that were rated, whatever their class.
    ``plausible_coverage`` is the share of utterances whose right label is plausible, ``plausible_size`` the mean number
    of plausible labels, ``plausible_single`` the share with one alone; None where the card tells nothing of its doubt.
    """

    corpus: str
    partition: str
    n: int
    left_out: int
    classes: tuple[str, ...]
    uar: Interval
    accuracy: float
    macro_f1: float
    open_uar: float
    calibration_error: float
    arousal_uar: float | None
    valence_uar: float | None
    confusion: list[list[int]]
    plausible_coverage: float | None = None
    plausible_size: float | None = None
    plausible_single: float | None = None
    ratings: dict[str, RatingFigures] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        return asdict(self)


def report(
    answers: CorpusAnswers, corpus: Corpus, partition: str, doubt: Doubt | None = None
) -> tuple[EmotionReport, NDArray[np.bool_]]:
    """Compute the figures; also whether each utterance (that was not left out) was answered rightly."""
    target = truth(corpus, answers.labels)
    kept = target >= 0
    target = target[kept]
    own = np.array([column for column, label in enumerate(answers.labels) if label in corpus.labels])
    shared = answers.probabilities[kept][:, own]
    # Linear classifiers can give exactly 0 to all of the shared classes: then none of them is preferred.
    shared = np.where(shared.sum(axis=1, keepdims=True) > 0, shared, np.float32(1))
    shared = shared / shared.sum(axis=1, keepdims=True)
    place = np.searchsorted(own, target)
    predicted = shared.argmax(axis=1)
    confusion = confusion_matrix(place, predicted, len(own))
    emotions = [row.emotion for row, is_kept in zip(corpus.utterances, kept, strict=True) if is_kept]
    on_plane = [PLANE[name] for name in emotions] if set(emotions) <= PLANE.keys() else None
    figures = EmotionReport(
        corpus=corpus.name,
        partition=partition,
        n=int(kept.sum()),
        left_out=int((~kept).sum()),
        classes=tuple(answers.labels[column] for column in own),
        uar=bootstrap_uar(place, predicted),
        accuracy=accuracy(place, predicted),
        macro_f1=macro_f1(place, predicted),
        open_uar=unweighted_average_recall(target, answers.probabilities[kept].argmax(axis=1)),
        calibration_error=expected_calibration_error(shared, place),
        arousal_uar=None if on_plane is None else _level_uar(answers.arousal, kept, on_plane, 0),
        valence_uar=None if on_plane is None else _level_uar(answers.valence, kept, on_plane, 1),
        confusion=confusion.tolist(),
        ratings=rating_figures(answers, corpus),
        **_plausible(Judged(corpus.name, answers.probabilities[kept], target), doubt),
    )
    return figures, predicted == place


def _plausible(judged: Judged, doubt: Doubt | None) -> dict[str, float]:
    if doubt is None or not len(judged.truth):
        return {}
    sizes = set_sizes(judged.probabilities, doubt.least_probability)
    return {
        "plausible_coverage": share_covered(judged, doubt.least_probability),
        "plausible_size": float(sizes.mean()),
        "plausible_single": float((sizes == 1).mean()),
    }


LEVELS = ((AROUSAL_LEVELS, (0.0,)), (VALENCE_LEVELS, (-1 / 3, 1 / 3)))
"""Names of the levels of arousal and valence, and the edges between them in −1 … 1."""


def _level_uar(
    values: NDArray[np.float32] | None, kept: NDArray[np.bool_], places: list[tuple[str, str]], dimension: int
) -> float | None:
    """UAR of a value in −1 … 1 cut into levels: ``dimension`` 0 is arousal, 1 valence."""
    if values is None:
        return None
    names, edges = LEVELS[dimension]
    target = np.array([names.index(place[dimension]) for place in places], dtype=np.int64)
    return unweighted_average_recall(target, np.digitize(values[kept], edges).astype(np.int64))
