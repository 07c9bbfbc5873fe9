"""The plot with ``include=attribution``: the share of each input and lag in arousal and valence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.attribution import Attribution
from service.pipeline.video.video_results import VideoAffect
from service.render.plot_page import BOTTOM, GAP, HEADING, TOP, Page
from service.render.plot_style import DARK, LIGHT, PAGE_INCHES, Style, bare, signed
from service.render.plot_timeline import draw_cells
from service.render.video_words import facts_of, feature_in_words, footnotes, moment_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

# Inches.
_LEFT, _ROW, _MAP, _BARS, _BETWEEN, _AXIS, _SCALE = 2.75, 0.215, 2.3, 1.35, 0.3, 0.42, 0.58
_NAMED_BARS = 5
_LINE = 0.2
_RULE = "Green raises the answer, pink lowers it, from that of a face at rest. Lag 0 is the moment answered."
_SCALE_RULE = "what a cell adds to the mean, which is −1 … +1; bars sum a row"
_MATTER = 0.8
"""Share of all contributions of a target that the rows drawn for it make up; the others are one row."""
_LEAST = 1e-9  # keeps the scale finite where all cells are 0


def attribution_page(result: VideoAffect, *, title: str | None = None, dark: bool = False) -> Page:
    """Draw the attribution of ``result``, which must have one."""
    assert result.attribution is not None
    return _AttributionPage(result, result.attribution, DARK if dark else LIGHT).draw(title)


class _AttributionPage(Page):
    def __init__(self, result: VideoAffect, attribution: Attribution, style: Style) -> None:
        self.result = result
        self.attribution = attribution
        self.rows = rows_that_matter(attribution)
        self.rows_height = _ROW * (len(self.rows) + 1)
        self.lines = {
            target: [one for one in attribution.moments if one.target == target] for target in ("arousal", "valence")
        }
        words_height = HEADING + _LINE * max(1, *map(len, self.lines.values()))
        super().__init__(style, TOP + HEADING + self.rows_height + _AXIS + _SCALE + words_height + GAP + BOTTOM, _LEFT)

    def draw(self, title: str | None) -> Self:
        """Draw everything."""
        parts = self.attribution
        targets = (
            ("Arousal", self._few(parts.arousal), parts.arousal_baseline),
            ("Valence", self._few(parts.valence), parts.valence_baseline),
        )
        largest_cell = max(_LEAST, *(float(np.abs(cells).max()) for _, cells, _ in targets))
        largest_sum = max(_LEAST, *(float(np.abs(cells.sum(axis=1)).max()) for _, cells, _ in targets))
        self.title(title or "Which action units drove this recording", facts_of(self.result))
        top = self.cursor + HEADING - 0.16
        self.cursor += HEADING
        names = [feature_in_words(parts.features[row]) for row in self.rows]
        names.append(f"the other {len(parts.features) - len(self.rows)}")
        left = self.left
        for name, cells, baseline in targets:
            sums = cells.sum(axis=1)
            moved = float(sums.sum())
            heading = f"{name} {signed(baseline + moved)}: rest {signed(baseline)}, moved {signed(moved)}"
            self.text(heading, top, x=left, bold=True)
            chart = self._beside(left, _MAP)
            draw_lags(chart, parts.lags_s, cells, largest_cell, self.style)
            if left == self.left:
                chart.set_yticks(np.arange(len(names))[::-1] + 0.5, names)
                chart.tick_params(axis="y", labelcolor=self.style.ink)
            draw_sums(self._beside(left + _MAP + 0.1, _BARS), sums, largest_sum, self.style)
            left += _MAP + 0.1 + _BARS + _BETWEEN
        self.cursor += self.rows_height + _AXIS
        self._scale(largest_cell)
        self.text(_RULE, self.cursor - 0.02, size=9.5)
        self._moments()
        self.footer(*footnotes(self.result))
        return self

    def _few(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rows that matter, and the sum of the others, of cells [features, lags]."""
        return np.concatenate([cells[self.rows], np.delete(cells, self.rows, axis=0).sum(axis=0, keepdims=True)])

    def _moments(self) -> None:
        """Say in words what moved the targets when."""
        left = self.left
        for target, moments in self.lines.items():
            top = self.cursor + HEADING - 0.04
            self.text(f"{target.capitalize()} moved most with", top, x=left, bold=True)
            words = [f"{signed(one.contribution)}  {moment_in_words(one)}" for one in moments]
            for index, line in enumerate(words or ["nothing in particular"]):
                self.text(line, top + _LINE * (index + 1), x=left, size=9.5)
            left += _MAP + 0.1 + _BARS + _BETWEEN

    def _scale(self, largest: float) -> None:
        """Draw the scale of both maps' colours."""
        self.text(_SCALE_RULE, self.cursor + 0.08, x=self.left + _MAP + 0.1, size=9.5)
        chart = self.axes(self.cursor, 0.16, left=self.left, right=PAGE_INCHES - self.left - _MAP)
        draw_scale(chart, largest, self.style)
        self.cursor += _SCALE

    def _beside(self, left: float, width: float) -> Axes:
        return self.axes(self.cursor, self.rows_height, left=left, right=PAGE_INCHES - left - width)


def rows_that_matter(attribution: Attribution) -> NDArray[np.int64]:
    """Indices of the features whose sums make up most of what moved either target, in the order of the features."""
    rows = set[int]()
    for sums in (np.abs(attribution.arousal_by_feature), np.abs(attribution.valence_by_feature)):
        order = np.argsort(-sums)
        missing = sums.sum() - np.cumsum(sums[order])
        rows |= set(order[: int(np.argmax(missing <= (1 - _MATTER) * sums.sum())) + 1].tolist())
    return np.array(sorted(rows))


def draw_lags(
    axes: Axes, lags_s: NDArray[np.float64], cells: NDArray[np.float64], largest: float, style: Style
) -> None:
    """Draw cells [features, lags], first feature on top, coloured from −``largest`` to ``largest``."""
    bare(axes, style)
    step_s = float(lags_s[1] - lags_s[0]) if len(lags_s) > 1 else 1.0
    edges_s = np.append(lags_s - step_s / 2, lags_s[-1] + step_s / 2)
    axes.set_ylim(0, len(cells))
    axes.set_xlim(edges_s[0], edges_s[-1])
    draw_cells(axes, edges_s, cells[::-1], diverging(style), (-largest, largest))
    axes.axvline(0, color=style.quiet_ink, linewidth=0.8, linestyle=(0, (2, 2)), zorder=5)
    apart_s = 2.0 if edges_s[-1] - edges_s[0] > 4 else 0.5
    ticks = [place * apart_s for place in range(-2, 3) if edges_s[0] <= place * apart_s <= edges_s[-1]]
    axes.set_xticks(ticks, [f"{place:+g} s".replace("-", "−") if place else "0" for place in ticks])
    axes.tick_params(axis="x", length=3, color=style.quiet_ink)
    axes.axhline(1, color=style.quiet_ink, linewidth=0.8, zorder=6)


def draw_scale(axes: Axes, largest: float, style: Style) -> None:
    """Draw a bar of the colours from −``largest`` to ``largest``, labelled at both ends and in the middle."""
    bare(axes, style)
    edges = np.linspace(-largest, largest, 130)
    draw_cells(axes, edges, ((edges[1:] + edges[:-1]) / 2)[None, :], diverging(style), (-largest, largest))
    axes.set_xlim(-largest, largest)
    axes.set_xticks([-largest, 0, largest], [f"−{largest:.2g}", "0", f"+{largest:.2g}"])
    axes.tick_params(axis="x", length=3, color=style.quiet_ink)


def draw_sums(axes: Axes, sums: NDArray[np.float64], largest: float, style: Style) -> None:
    """Draw bars of the sums over lags in the order of the rows; the largest few are labelled."""
    bare(axes, style)
    axes.set_ylim(0, len(sums))
    limit = 2.0 * largest
    axes.set_xlim(-limit, limit)
    axes.axvline(0, color=style.quiet_ink, linewidth=1, zorder=4)
    rows = np.arange(len(sums))[::-1] + 0.5
    colours = [style.raises if value > 0 else style.lowers for value in sums]
    axes.barh(rows, sums, height=0.7, color=colours, zorder=3)
    for index in np.argsort(-np.abs(sums))[:_NAMED_BARS].tolist():
        value = float(sums[index])
        side = 1 if value > 0 else -1
        axes.text(
            value + side * 0.05 * limit,
            float(rows[index]),
            signed(value),
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=8.5,
            color=style.ink,
            zorder=5,
        )
    axes.axhline(1, color=style.quiet_ink, linewidth=0.8, zorder=6)


def diverging(style: Style) -> Colormap:
    """The colour map PiYG; on dark paper its middle is the panel's colour, so that 0 blends in."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if style.paper == LIGHT.paper:
        return colormaps["PiYG"]
    return LinearSegmentedColormap.from_list("PiYG-dark", ["#DE77AE", style.panel, "#7FBC41"])
