"""Predictions of a classifier or a fusion, recording by recording, and their figures."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.classifiers.examples import Examples
from export.evaluation.metrics import (
    Interval,
    accuracy,
    bootstrap_uar,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    unweighted_average_recall,
)

ANSWER_COLUMNS = ("partition", "name", "label", "answer")


@dataclass(frozen=True)
class Predictions:
    """Predictions on one partition.

    Attributes:
        names: recordings.
        targets: int64 [recordings], the true class.
        probabilities: float64 [recordings, classes], mean over the rows of each recording.
    """

    partition: str
    labels: tuple[str, ...]
    names: tuple[str, ...]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def answers(self) -> NDArray[np.int64]:
        """int64 [recordings], the most probable class, as it is served."""
        return served_answers(self.probabilities)

    @property
    def uar(self) -> float:
        """Unweighted average recall of the answers."""
        return unweighted_average_recall(self.targets, self.answers)


def served_answers(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The most probable class of each row of [rows, classes], after rounding to float32 as a graph does.

    Where two classes are both as good as certain, what float64 would still tell apart is a tie when served, and the
    first class wins.
    """
    return probabilities.astype(np.float32).argmax(axis=1)


def by_name(part: Predictions) -> dict[str, tuple[str, str]]:
    """Recording to its true label and the answer, as :func:`export.evaluation.significance.compare_answers` takes."""
    columns = zip(part.names, part.targets, part.answers, strict=True)
    return {name: (part.labels[target], part.labels[answer]) for name, target, answer in columns}


def answers_of(
    examples: Examples, row_probabilities: NDArray[np.float64], labels: Sequence[str], partition: str
) -> Predictions:
    """Predictions from the probabilities of rows, float64 [rows, classes]."""
    shares = examples.mean_by_utterance(row_probabilities)
    return Predictions(partition, tuple(labels), examples.names, examples.utterance_targets, shares)


@dataclass(frozen=True)
class Figures:
    """Figures of one partition; what :func:`export.evaluation.plots.draw_confusion` draws.

    Attributes:
        calibration_error: expected calibration error in 15 bins.
        uncalibrated_error: the same of scikit-learn's own probabilities, where a temperature took their place.
    """

    corpus: str
    partition: str
    n: int
    classes: tuple[str, ...]
    uar: Interval
    accuracy: float
    macro_f1: float
    calibration_error: float
    uncalibrated_error: float | None
    confusion: list[list[int]]

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        return asdict(self)


def figures_of(answers: Predictions, corpus: str, uncalibrated: Predictions | None = None) -> Figures:
    """UAR with its 95 % bootstrap interval over recordings, accuracy, macro F1, calibration, confusion.

    Args:
        uncalibrated: the same answers before a temperature was put in.
    """
    classes = len(answers.labels)
    return Figures(
        corpus=corpus,
        partition=answers.partition,
        n=len(answers.names),
        classes=answers.labels,
        uar=bootstrap_uar(answers.targets, answers.answers),
        accuracy=accuracy(answers.targets, answers.answers),
        macro_f1=macro_f1(answers.targets, answers.answers),
        calibration_error=expected_calibration_error(answers.probabilities, answers.targets),
        uncalibrated_error=None
        if uncalibrated is None
        else expected_calibration_error(uncalibrated.probabilities, uncalibrated.targets),
        confusion=confusion_matrix(answers.targets, answers.answers, classes).tolist(),
    )


def write_answers(parts: Sequence[Predictions], file: Path) -> None:
    """Write one line a recording: partition, name, true label, answer, and the probability of each class."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow([*ANSWER_COLUMNS, *parts[0].labels])
        for part in parts:
            for name, target, answer, shares in zip(
                part.names, part.targets, part.answers, part.probabilities.tolist(), strict=True
            ):
                texts = (part.partition, name, part.labels[target], part.labels[answer])
                writer.writerow([*texts, *(f"{share:.6g}" for share in shares)])


def read_answers(file: Path, partition: str) -> dict[str, tuple[str, str]]:
    """True label and answer of each recording of ``partition``, from a file of :func:`write_answers`.

    Raises:
        OSError: there is no such file.
    """
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        next(reader)
        rows = [dict(zip(ANSWER_COLUMNS, row, strict=False)) for row in reader]
    return {row["name"]: (row["label"], row["answer"]) for row in rows if row["partition"] == partition}
