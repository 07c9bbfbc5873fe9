"""Form of a plot's file; colours, number formats and time axis of the plots."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Paul Tol, "Colour schemes" (technical note SRON/EPS/TN/09-002, issue 3.2, 2021): 'muted' on white (its sand
# darkened for contrast), 'light' on dark. Both stay apart for the common colour-vision deficiencies; rows are
# labelled too, so that colour is never alone.
_MUTED = ("#CC6677", "#332288", "#117733", "#DDAA33", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499")
_LIGHT = ("#EE8866", "#77AADD", "#44BB99", "#EEDD88", "#99DDFF", "#FFAABB", "#BBCC33", "#AAAA00", "#DDDDDD")

_TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MOST_TICKS, _MOST_LONG_TICKS = 12, 6


PAGE_INCHES = 11.0
"""Width of a page, inches."""

SHARE_INCHES = 0.62
"""Distance from a panel to the right edge of the percentages in the margin, inches."""


PlotKind = Literal["png", "svg", "pdf"]

LEAST_WIDTH_MM: Final = 165.0
"""Below, the smallest letters, 8.5 points on a page of 11 inches, would be less than 5 points."""

MOST_WIDTH_MM: Final = 841.0
"""Width of A0."""

PRINT_WIDTH_MM: Final = 180.0
"""Two columns of most journals; the smallest letters are 5.5 points there."""


@dataclass(frozen=True)
class PlotForm:
    """Form of a plot's file.

    Args:
        kind: of file.
        width_mm: width of SVG and PDF; a PNG is 1320 pixels wide.
    """

    kind: PlotKind = "png"
    width_mm: float = PRINT_WIDTH_MM


@dataclass(frozen=True)
class Style:
    """Colours of a light or dark plot."""

    paper: str
    ink: str
    quiet_ink: str
    rule: str
    panel: str
    silence: str
    wave: str
    arousal: str
    valence: str
    dominance: str
    classes: tuple[str, ...]
    intensity: tuple[str, str, str]
    raises: str
    lowers: str

    def class_colour(self, index: int) -> str:
        """Colour of the class at ``index``; colours repeat after the last."""
        return self.classes[index % len(self.classes)]


LIGHT = Style(
    paper="#FFFFFF",
    ink="#1B1F24",
    quiet_ink="#59616B",
    rule="#D5DAE0",
    panel="#F8F9FA",
    silence="#DFE3E8",
    wave="#7C8794",
    arousal="#B5451B",
    valence="#1F5FA8",
    dominance="#3E6B2F",
    classes=_MUTED,
    intensity=("#C3B1E1", "#8055BD", "#35125F"),
    raises="#4D9221",
    lowers="#C51B7D",
)
DARK = Style(
    paper="#14171C",
    ink="#ECEFF2",
    quiet_ink="#A3ADB8",
    rule="#363D47",
    panel="#1B1F26",
    silence="#333A44",
    wave="#8C98A6",
    arousal="#FF9D6E",
    valence="#7DB8F7",
    dominance="#A6D38F",
    classes=_LIGHT,
    intensity=("#4B3A75", "#8F6BD1", "#E9DDFF"),
    raises="#7FBC41",
    lowers="#DE77AE",
)


def clock(seconds: float, decimals: int = 0) -> str:
    """``seconds`` as ``m:ss`` or ``h:mm:ss``, with ``decimals``; halves go up, as on the page."""
    units = math.floor(max(seconds, 0.0) * 10**decimals + 0.5)
    whole, fraction = divmod(units, 10**decimals)
    minutes, rest_s = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02d}:{rest_s:02d}" if hours else f"{minutes}:{rest_s:02d}"
    return f"{text}.{fraction:0{decimals}d}" if decimals else text


def time_ticks(start_s: float, end_s: float) -> tuple[list[float], list[str]]:
    """Round times between ``start_s`` and ``end_s``, at most 12 (6 with tenths), and their labels."""
    span_s = max(end_s - start_s, 1e-3)
    fits = (step for step in _TICK_STEPS_S if span_s / step <= (_MOST_LONG_TICKS if step < 1 else _MOST_TICKS))
    step_s = next(fits, span_s / _MOST_TICKS)
    first = -int(-(start_s - 1e-9) // step_s)
    last = int((end_s + 1e-9) // step_s)
    ticks = [index * step_s for index in range(first, last + 1)]
    return ticks, [clock(tick, decimals=1 if step_s < 1 else 0) for tick in ticks]


def signed(value: float) -> str:
    """``value`` such as ``+0.40`` or ``−0.15``, with a true minus sign."""
    return "0.00" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")


def percent(share: float) -> str:
    """``share`` such as ``62 %``; ``<1 %`` for small values above 0."""
    if 0 < share < 0.01:
        return "<1 %"
    return f"{100 * share:.0f} %"


def one_line(text: str, characters: int = 90) -> str:
    """``text`` without control characters, cut to ``characters``."""
    clean = "".join(" " if unicodedata.category(character).startswith(("C", "Z")) else character for character in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= characters else clean[: characters - 1] + "…"


def write_share(axes: Axes, row: float, share: float | None, *, leads: bool, style: Style) -> None:
    """Write a probability into the right margin at the height ``row``, in bold where it ``leads``."""
    write_margin(axes, row, "–" if share is None else percent(share), bold=leads, style=style)


def write_margin(axes: Axes, row: float, text: str, *, bold: bool, style: Style) -> None:
    """Write a number into the right margin at the height ``row``."""
    width_inches = axes.get_position().width * PAGE_INCHES
    axes.text(
        1 + SHARE_INCHES / width_inches,
        row,
        text,
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="center",
        fontsize=10,
        fontweight="bold" if bold else "normal",
        color=style.ink if bold else style.quiet_ink,
    )


def write_unit(axes: Axes, text: str, style: Style) -> None:
    """Write what a panel's height or colour means into the right margin."""
    axes.text(1.01, 0.5, text, transform=axes.transAxes, ha="left", va="center", fontsize=9, color=style.quiet_ink)


def bare(axes: Axes, style: Style) -> None:
    """Remove frame and ticks, and set the panel's colour."""
    axes.set_facecolor(style.panel)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, colors=style.quiet_ink, labelsize=9, pad=5)
    axes.set_xticks([])
    axes.set_yticks([])
