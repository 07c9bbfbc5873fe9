"""Text, JSON, answers and pictures of a training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from export.classifiers.answers import Figures, Predictions, figures_of, write_answers
from export.classifiers.head import HeadCard
from export.evaluation.metrics import reliability
from export.evaluation.plots import draw_confusion, draw_reliability
from service.card import Measurement

REPORT_FILE_NAME = "report.json"
TEXT_FILE_NAME = "report.txt"
ANSWERS_FILE_NAME = "answers.csv"


def measurements_of(figures: Sequence[Figures], protocol: str, command: str) -> list[Measurement]:
    """UAR with its interval and accuracy (A2 wants both), and calibration with and without temperature, for cards."""
    entries = []
    for part in figures:
        common = {"data": part.corpus, "split": part.partition, "n": part.n, "protocol": protocol, "command": command}
        interval = (round(part.uar.low, 4), round(part.uar.high, 4))
        for metric, value, bounds in (
            ("unweighted_average_recall", part.uar.value, interval),
            ("accuracy", part.accuracy, None),
            ("expected_calibration_error", part.calibration_error, None),
            ("expected_calibration_error_uncalibrated", part.uncalibrated_error, None),
        ):
            if value is None:
                continue
            entries.append(Measurement(metric=metric, value=round(value, 4), interval_95=bounds, **common))
    return entries


def write_report(
    folder: Path,
    parts: Sequence[Predictions],
    corpus: str,
    about: Mapping[str, object],
    lines: Sequence[str],
    uncalibrated: Sequence[Predictions] = (),
) -> tuple[list[Figures], str]:
    """Write report.txt, report.json, answers.csv and two pictures a partition; returns figures and text.

    The pictures are a confusion matrix and a reliability diagram.

    Args:
        uncalibrated: of the same partitions, or none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = {part.partition: part for part in uncalibrated}
    figures = [figures_of(part, corpus, plain.get(part.partition)) for part in parts]
    text = "\n".join([*lines, *(line for found in figures for line in describe(found))])
    (folder / TEXT_FILE_NAME).write_text(text + "\n", encoding="utf-8")
    content = {**about, "figures": [part.to_json() for part in figures]}
    (folder / REPORT_FILE_NAME).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if parts:
        write_answers(parts, folder / ANSWERS_FILE_NAME)
    for drawn in figures:
        draw_confusion(drawn, folder / f"confusion-{drawn.partition}.png")
    for part in parts:
        before = {"before": plain[part.partition]} if part.partition in plain else {}
        curves = {
            name: reliability(served.probabilities, served.targets)
            for name, served in (before | {"as served": part}).items()
        }
        title = f"{corpus}, {part.partition}: n {len(part.names)}"
        draw_reliability(curves, title, folder / f"reliability-{part.partition}.png")
    return figures, text


def describe(figures: Figures) -> list[str]:
    """Figures of one partition as lines of text."""
    uar = figures.uar
    width = max(len(name) for name in figures.classes)
    before = "" if figures.uncalibrated_error is None else f" ({figures.uncalibrated_error:.3f} before calibration)"
    return [
        f"{figures.corpus} {figures.partition}: n {figures.n}, "
        f"UAR {uar.value:.1%} (95 % {uar.low:.1%} … {uar.high:.1%}), chance {1 / len(figures.classes):.1%}, "
        f"accuracy {figures.accuracy:.1%}, macro F1 {figures.macro_f1:.1%}, "
        f"expected calibration error {figures.calibration_error:.3f}{before}",
        *(
            f"  {name:>{width}} " + " ".join(f"{count:5d}" for count in row)
            for name, row in zip(figures.classes, figures.confusion, strict=True)
        ),
    ]


def describe_choice(card: HeadCard) -> list[str]:
    """The chosen setting and the grid, as lines of text."""
    best = max(cell.uar for cell in card.grid)
    strength = f"{'C' if card.loss == 'svm' else 'alpha'} {card.strength:g}"
    held_out = "devel" if card.selection == "devel" else f"{card.folds} folds of speakers"
    restless = sum(not cell.converged for cell in card.grid)
    lines = [
        f"{' + '.join(backbone.network for backbone in card.backbones)}: {card.dimensions} features, "
        f"{len(card.labels)} classes",
        f"chosen of {len(card.grid)}: {card.loss}, {card.penalty}, {strength} (UAR {best:.1%} on {held_out})",
    ]
    if restless:
        lines.append(f"{restless} of {len(card.grid)} settings did not come to rest within {card.epochs} epochs")
    return lines + [f"note: {note}" for note in card.notes]
