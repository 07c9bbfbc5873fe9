"""A confusion matrix as a picture."""

from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from export.evaluation.metrics import Interval


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
