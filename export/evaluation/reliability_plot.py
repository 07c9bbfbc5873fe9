"""How often answers are right that were given with some confidence, as a picture (Guo 2017)."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from export.evaluation.metrics import Reliability

MARKS = ("o", "s")
COLOURS = ("#b35806", "#2166ac")
LARGEST_MARK = 420.0
"""Area of the mark of a bin that holds all answers, in square points."""


def draw_reliability(curves: Mapping[str, Reliability], title: str, file: Path) -> None:
    """Draw share of right answers over mean confidence; a mark's area is the share of answers in its bin.

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
