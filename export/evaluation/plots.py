"""Confusion matrices and reliability diagrams as pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from export.evaluation.metrics import Interval, Reliability

MARKS = ("o", "s")
COLOURS = ("#b35806", "#2166ac")
LARGEST_MARK = 420.0
"""Area of the mark of a bin that holds all answers, in square points."""


class Confusion(Protocol):
    """Figures with a confusion matrix, whose rows are the truth."""

    @property
    def corpus(self) -> str: ...  # noqa: D102 - each is what its name says
    @property
    def partition(self) -> str: ...  # noqa: D102
    @property
    def n(self) -> int: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def uar(self) -> Interval: ...  # noqa: D102
    @property
    def confusion(self) -> list[list[int]]: ...  # noqa: D102


def draw_confusion(figures: Confusion, file: Path) -> None:
    """Draw row-normalised recalls with the counts written in."""
    counts = np.array(figures.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.75 * len(counts)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="cividis", vmin=0.0, vmax=1.0)
    for row in range(len(counts)):
        for column in range(len(counts)):
            shade = "black" if shares[row, column] > 0.6 else "white"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=shade)
    axes.set_xticks(range(len(counts)), figures.classes, rotation=45, ha="right")
    axes.set_yticks(range(len(counts)), figures.classes)
    axes.set_xlabel("answered")
    axes.set_ylabel("acted")
    axes.set_title(f"{figures.corpus}, {figures.partition}: UAR {figures.uar.value:.1%}, n {figures.n}")
    figure.colorbar(image, ax=axes, label="share of the row")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


def draw_reliability(curves: Mapping[str, Reliability], title: str, file: Path) -> None:
    """Draw share of right answers over mean confidence (Guo 2017); a mark's area is the share of answers in its bin.

    Args:
        curves: at most two, by what they are called.
    """
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle="--", label="calibrated")
    for (name, curve), mark, colour in zip(curves.items(), MARKS, COLOURS, strict=False):
        label = f"{name}: error {curve.error:.3f}"
        axes.plot(curve.confidence, curve.accuracy, color=colour, linewidth=1)
        area = 20.0 + LARGEST_MARK * curve.share
        axes.scatter(curve.confidence, curve.accuracy, s=area, marker=mark, color=colour, alpha=0.75, label=label)
    axes.set_xlim(0.0, 1.06)
    axes.set_ylim(-0.05, 1.05)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("confidence: probability of the answer")
    axes.set_ylabel("share of right answers")
    axes.set_title(title, fontsize=10)
    legend = axes.legend(loc="upper left", fontsize=9)
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([40.0])  # type: ignore[union-attr]
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
