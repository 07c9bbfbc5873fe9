"""The page of a plot: one figure as high as its panels need, filled from the top.

Pages use matplotlib's object interface and the Agg canvas, never pyplot, so no state is shared and threads can draw at
the same time.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from service.pipeline.results import ModelReference
from service.render.plot_style import PAGE_INCHES, SHARE_INCHES, Style, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 120

# Inches: margins, and what separates panels.
RIGHT, TOP, BOTTOM, FOOTER_LINE = 1.3, 1.0, 0.95, 0.2
GAP, HEADING = 0.14, 0.34

AFFECT_SCALE = "Arousal (−1 calm … +1 excited), valence (−1 unpleasant … +1 pleasant)"
"""Scale of both lines."""


class Page(ABC):
    """One figure with margins in inches; ``cursor`` is the distance from its upper edge to the next panel.

    Attributes:
        name: its first line.
    """

    def __init__(self, style: Style, height: float, left: float) -> None:
        from matplotlib.figure import Figure

        self.style = style
        self.height = height
        self.left = left
        self.figure = Figure(figsize=(PAGE_INCHES, height), dpi=DOTS_PER_INCH, facecolor=style.paper)
        self.cursor = TOP
        self.name = ""

    @abstractmethod
    def draw(self, title: str | None) -> Self:
        """Draw everything, below ``title`` or a general one; returns the page."""

    def png(self) -> bytes:
        """The figure as a PNG, 1320 pixels wide, without metadata on software or time."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        buffer = io.BytesIO()
        FigureCanvasAgg(self.figure).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return buffer.getvalue()

    def heading(self, line: str, margin: str = "") -> float:
        """Write the line above a block of panels, and ``margin`` above its numbers; returns the line's position."""
        top = self.cursor + HEADING - 0.16
        self.text(line, top, bold=True)
        if margin:
            self.text(margin, top, x=PAGE_INCHES - RIGHT + SHARE_INCHES, align="right", size=9.5)
        self.cursor += HEADING
        return top

    def title(self, title: str, facts: Sequence[str]) -> None:
        """Write the first two lines."""
        self.name = one_line(title, 80)
        self.text(self.name, 0.36, size=16, bold=True)
        self.text("  ·  ".join(facts), 0.68)

    def footer(self, *lines: str) -> None:
        """Write the last lines; there is room for two."""
        for above, line in enumerate(reversed(lines)):
            self.text(line, self.height - 0.22 - FOOTER_LINE * above, size=9)

    def panel(self, height: float, shared: Axes | None = None) -> Axes:
        """Add axes of ``height`` below the last ones, with the time axis of ``shared``."""
        axes = self.axes(self.cursor, height, shared=shared)
        self.cursor += height + GAP
        return axes

    def axes(
        self, top: float, height: float, *, left: float | None = None, right: float = RIGHT, shared: Axes | None = None
    ) -> Axes:
        """Add axes at these distances from the edges, in inches."""
        left = self.left if left is None else left
        axes = self.figure.add_axes(
            (
                left / PAGE_INCHES,
                1 - (top + height) / self.height,
                1 - (left + right) / PAGE_INCHES,
                height / self.height,
            )
        )
        if shared is not None:
            axes.set_xlim(shared.get_xlim())
            axes.set_autoscalex_on(False)
        return axes

    def text(
        self,
        text: str,
        top: float,
        *,
        x: float | None = None,
        size: float = 10.5,
        bold: bool = False,
        align: Literal["left", "right"] = "left",
    ) -> None:
        """Write a line centred ``top`` inches below the upper edge; bold text is in full ink."""
        self.figure.text(
            (self.left if x is None else x) / PAGE_INCHES,
            1 - top / self.height,
            text,
            parse_math=False,
            fontsize=size,
            fontweight="bold" if bold else "normal",
            color=self.style.ink if bold else self.style.quiet_ink,
            horizontalalignment=align,
            verticalalignment="center",
        )


def in_words(model: ModelReference) -> str:
    """Name, version, hash and licence of a model."""
    return f"{model.name}, version {model.version} (sha256 {model.sha256[:12]}…, {model.licence})"
