"""From answers to the figures of a model card."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from export.corpora.labels import PLANE
from export.corpora.tables import Corpus
from export.evaluation.bundle import Answers, truth
from export.evaluation.metrics import (
    Interval,
    accuracy,
    bootstrap_uar,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    unweighted_average_recall,
)


@dataclass(frozen=True)
class EmotionReport:
    """Figures of one bundle on one partition of one corpus.

    ``uar`` and what follows choose among the classes that corpus and model share; ``open_uar`` among all of the
    model's. Utterances of classes that the model lacks are left out and counted in ``left_out``.
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
    arousal_uar: float
    valence_uar: float
    confusion: list[list[int]]

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        return asdict(self)


def report(answers: Answers, corpus: Corpus, partition: str) -> tuple[EmotionReport, NDArray[np.bool_]]:
    """Compute the figures; also whether each utterance (that was not left out) was answered rightly."""
    target = truth(corpus, answers.labels)
    kept = target >= 0
    target = target[kept]
    own = np.array([column for column, label in enumerate(answers.labels) if label in corpus.labels])
    shared = answers.probabilities[kept][:, own]
    shared = shared / shared.sum(axis=1, keepdims=True)
    place = np.searchsorted(own, target)
    predicted = shared.argmax(axis=1)
    confusion = confusion_matrix(place, predicted, len(own))
    emotions = np.array([row.emotion for row in corpus.utterances])[kept]
    figures = EmotionReport(
        corpus=corpus.name,
        partition=partition,
        n=int(kept.sum()),
        left_out=int((~kept).sum()),
        classes=tuple(answers.labels[column] for column in own),
        uar=bootstrap_uar(place, predicted, len(own)),
        accuracy=accuracy(place, predicted),
        macro_f1=macro_f1(place, predicted, len(own)),
        open_uar=unweighted_average_recall(target, answers.probabilities[kept].argmax(axis=1), len(answers.labels)),
        calibration_error=expected_calibration_error(shared, place),
        arousal_uar=_level_uar(answers.arousal[kept], [PLANE[name][0] == "high" for name in emotions], (0.0,)),
        valence_uar=_level_uar(
            answers.valence[kept],
            [("negative", "neutral", "positive").index(PLANE[name][1]) for name in emotions],
            (-1 / 3, 1 / 3),
        ),
        confusion=confusion.tolist(),
    )
    return figures, predicted == place


def _level_uar(values: NDArray[np.float32], levels: list[int] | list[bool], edges: tuple[float, ...]) -> float:
    """UAR of a value in −1 … 1 cut into levels at ``edges``."""
    target = np.array(levels, dtype=np.int64)
    return unweighted_average_recall(target, np.digitize(values, edges).astype(np.int64), len(edges) + 1)
