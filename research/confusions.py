"""Confusion matrices of an experiment, row-normalised: a Markdown table each, the counts as JSON, and one picture."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.classifiers.answers import Predictions
from export.evaluation.metrics import confusion_matrix
from research.tables import Cell, markdown

INCHES_A_CLASS = 0.34
LEAST_PANEL_INCHES = 1.5
LEFT_INCHES, TOP_INCHES, FOOT_INCHES, GAP_INCHES = 1.1, 0.25, 1.0, 0.5


def write_confusions(parts: Mapping[str, Predictions], columns: int, title: str, file: Path) -> None:
    """Write ``file`` with the suffixes .md, .json and .png.

    Args:
        parts: title of each matrix to its answers; all of the same classes.
        columns: matrices side by side in the picture.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    tables = [markdown(list(share_rows(part)), f"{title}: {name}, UAR {part.uar:.1%}") for name, part in parts.items()]
    file.with_suffix(".md").write_text("\n".join(tables), encoding="utf-8")
    content = {
        "title": title,
        "matrices": [
            {
                "name": name,
                "partition": part.partition,
                "classes": list(part.labels),
                "uar": part.uar,
                "counts": counts_of(part).tolist(),
            }
            for name, part in parts.items()
        ],
    }
    file.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw_confusions(parts, columns, title, file.with_suffix(".png"))


def counts_of(part: Predictions) -> NDArray[np.int64]:
    """int64 [classes, classes], a row an acted class, a column an answered one."""
    return confusion_matrix(part.targets, part.answers, len(part.labels))


def shares_of(part: Predictions) -> NDArray[np.float64]:
    """As :func:`counts_of`, with rows that sum to 1; zeros where a class does not occur."""
    counts = counts_of(part)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def share_rows(part: Predictions) -> list[dict[str, Cell]]:
    """A row an acted class, in per cent of its recordings."""
    rows = []
    for label, counts, shares in zip(part.labels, counts_of(part), shares_of(part), strict=True):
        row: dict[str, Cell] = {"acted \\ answered, %": label}
        row |= {name: round(100 * float(share), 1) for name, share in zip(part.labels, shares, strict=True)}
        row["n"] = int(counts.sum())
        rows.append(row)
    return rows


def draw_confusions(parts: Mapping[str, Predictions], columns: int, title: str, file: Path) -> None:
    """Draw the matrices in rows of ``columns``; the colour and the number are the share of the row in per cent.

    The margins are set by hand: matplotlib's own layout takes as long as all the rest.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    lines = -(-len(parts) // columns)
    side = max(INCHES_A_CLASS * max(len(part.labels) for part in parts.values()), LEAST_PANEL_INCHES)
    width, height = LEFT_INCHES + columns * (side + GAP_INCHES), TOP_INCHES + lines * (side + GAP_INCHES) + FOOT_INCHES
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    figure.subplots_adjust(
        left=LEFT_INCHES / width,
        right=1 - GAP_INCHES / width,
        top=1 - (TOP_INCHES + GAP_INCHES) / height,
        bottom=FOOT_INCHES / height,
        wspace=GAP_INCHES / side,
        hspace=GAP_INCHES / side,
    )
    for place, (name, part) in enumerate(parts.items()):
        axes = panels[place // columns][place % columns]
        shares = shares_of(part)
        axes.imshow(shares, cmap="cividis", vmin=0.0, vmax=1.0)
        for row, column in np.ndindex(shares.shape):
            colour = "black" if shares[row, column] > 0.6 else "white"
            text = f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(len(part.labels)), part.labels, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(range(len(part.labels)), part.labels, fontsize=8)
        axes.set_title(f"{name}\nUAR {part.uar:.1%}, n {len(part.names)}", fontsize=8)
    for place in range(len(parts), lines * columns):
        panels[place // columns][place % columns].set_axis_off()
    figure.text(0.5, 0.1 / height, "answered, % of the row", ha="center", fontsize=9)
    figure.text(0.1 / width, 0.5, "acted", va="center", rotation=90, fontsize=9)
    figure.suptitle(title, fontsize=9, y=1 - 0.1 / height, va="top")
    figure.savefig(file, dpi=100)
