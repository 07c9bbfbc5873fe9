"""A table of results as Markdown, CSV and JSON, and a matrix of conditions as a picture."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

Cell = str | float | int | None


def write_rows(rows: Sequence[dict[str, Cell]], file: Path, title: str) -> None:
    """Write ``file`` with the suffixes .md, .csv and .json; all rows have the same columns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    columns = list(rows[0])
    with file.with_suffix(".csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, columns)
        writer.writeheader()
        writer.writerows(rows)
    content = json.dumps({"title": title, "rows": list(rows)}, indent=1, ensure_ascii=False)
    file.with_suffix(".json").write_text(content + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(markdown(rows, title), encoding="utf-8")


def markdown(rows: Sequence[dict[str, Cell]], title: str) -> str:
    """The rows as a Markdown table under ``title``."""
    columns = list(rows[0])
    lines = [f"**{title}**", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_text(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def draw_matrix(matrix: Sequence[Sequence[float]], names: Sequence[str], title: str, file: Path) -> None:
    """Draw UARs as a heat map: a row a test condition, a column a training condition."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(matrix, cmap="viridis")
    middle = (max(map(max, matrix)) + min(map(min, matrix))) / 2
    for row, values in enumerate(matrix):
        for column, value in enumerate(values):
            colour = "black" if value > middle else "white"
            axes.text(column, row, f"{value:.1%}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("training condition")
    axes.set_ylabel("test condition")
    axes.set_title(title, fontsize=9)
    figure.colorbar(image, label="UAR")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)


def _text(value: Cell) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
