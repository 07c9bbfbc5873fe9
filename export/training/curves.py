"""Training curves as a picture."""

import json
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_curves(log: Path, file: Path) -> None:
    """Draw the loss over steps from a log of JSON lines, and devel UAR beside it where the log has some."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    names = sorted({key for row in rows for key in row if key.startswith("devel_uar_")})
    figure = Figure(figsize=(9 if names else 5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2 if names else 1, squeeze=False)[0]
    steps = [row["step"] for row in rows]
    panels[0].plot(steps, [row["loss"] for row in rows], color="black")
    panels[0].set(xlabel="step", ylabel="mean training loss")
    if names:
        for name in names:
            panels[1].plot(steps, [100 * row[name] for row in rows], label=name.removeprefix("devel_uar_"))
        panels[1].set(xlabel="step", ylabel="devel UAR, %")
        panels[1].legend(frameon=False)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)
