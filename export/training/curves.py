"""Training curves as a picture."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_loss(log: Path, file: Path) -> None:
    """Draw the loss over steps from a log of JSON lines."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([row["step"] for row in rows], [row["loss"] for row in rows], color="black")
    axes.set(xlabel="step", ylabel="mean training loss")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)


def draw_curves(log: Path, file: Path) -> None:
    """Draw loss and devel UAR over steps from a log of JSON lines."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    steps = [row["step"] for row in rows]
    left.plot(steps, [row["loss"] for row in rows], color="black")
    left.set(xlabel="step", ylabel="mean training loss")
    for name in sorted({key for row in rows for key in row if key.startswith("devel_uar_")}):
        right.plot(steps, [100 * row[name] for row in rows], label=name.removeprefix("devel_uar_"))
    right.set(xlabel="step", ylabel="devel UAR, %")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)
