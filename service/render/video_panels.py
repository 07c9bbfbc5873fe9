"""Panels about a face: its series as windows, and the heat map of action units."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from service.pipeline.face.unit_scale import MAX_INTENSITY
from service.pipeline.results import ChannelEmotion, FloatArray, Timeline
from service.pipeline.video.video_results import VideoAffect
from service.render.plot_style import Style, bare, write_margin
from service.render.plot_timeline import cell_edges_s, draw_cells, pooled, shade_unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_BAND = 3  # below the lines
_HOP_S = 0.1  # affect is judged at 10 Hz


def face_timeline(result: VideoAffect) -> Timeline:
    """The series as windows of one step, which the panels of the voice can draw.

    ``probabilities`` holds the face confidence (column 0) and the action units (the others); a row without a face is
    NaN.
    """
    columns = [result.face_confidence[:, None]]
    if result.action_units is not None:
        columns.append(result.action_units)
    seen = np.isfinite(result.arousal) | np.isfinite(result.valence)
    known = np.where(seen[:, None], np.concatenate(columns, axis=1), np.nan).astype(np.float32)
    return as_windows(result, known, result.arousal, result.valence, result.speech)


def as_windows(
    result: VideoAffect,
    columns: FloatArray,
    arousal: FloatArray | None,
    valence: FloatArray | None,
    speech: FloatArray | None = None,
) -> Timeline:
    """Rows of the timeline as windows of one step, in no more columns than pixels."""
    end_s = result.time_s + _HOP_S / 2
    end_s[-1] = max(end_s[-1], min(result.media.duration_s, end_s[-1] + _HOP_S))  # up to the end of the last step
    start_s = result.time_s - _HOP_S / 2
    return pooled(Timeline(start_s, end_s, columns, arousal=arousal, valence=valence, speech=speech))


def overall(result: VideoAffect) -> ChannelEmotion:
    """Means over the recording, in the form that the panel of arousal and valence takes."""
    means = {name: statistics.mean for name, statistics in result.summary.items()}
    return ChannelEmotion(
        channel="mix",
        probabilities=None,
        emotion=None,
        arousal=means.get("arousal"),
        valence=means.get("valence"),
        timeline=face_timeline(result),
    )


def draw_uncertainty(axes: Axes, result: VideoAffect, style: Style) -> None:
    """Draw a pale band behind the line of each target that has one: the 95 % interval of its values."""
    for values, half, colour in (
        (result.arousal, result.arousal_uncertainty, style.arousal),
        (result.valence, result.valence_uncertainty, style.valence),
    ):
        if half is not None:
            edges = face_timeline(replace(result, arousal=values - half, valence=values + half))
            centres_s = (edges.start_s + edges.end_s) / 2
            assert edges.arousal is not None
            assert edges.valence is not None
            axes.fill_between(
                centres_s, edges.arousal, edges.valence, color=colour, alpha=0.18, linewidth=0, zorder=_BAND
            )


def draw_units(axes: Axes, timeline: Timeline, names: list[str], style: Style) -> None:
    """Draw a row for each unit, first on top, coloured by intensity; means in the margin, the largest three in bold."""
    bare(axes, style)
    axes.set_ylim(0, len(names))
    units = timeline.probabilities[:, 1:].T
    cells = np.ma.masked_invalid(units[::-1])
    draw_cells(axes, cell_edges_s(timeline), cells, intensity_ramp(style), (0, MAX_INTENSITY))
    shade_unknown(axes, timeline, style, written="no face")
    for line in range(1, len(names)):
        axes.axhline(line, color=style.paper, linewidth=1.2, zorder=4)
    rows = [len(names) - 0.5 - index for index in range(len(names))]
    axes.set_yticks(rows, names)
    axes.tick_params(axis="y", labelcolor=style.ink)
    known = units[:, np.isfinite(units).all(axis=0)]
    means = known.mean(axis=1) if known.size else np.full(len(names), np.nan)
    strongest = set(np.argsort(-means)[:3].tolist()) if known.size else set()
    for index, (row, mean) in enumerate(zip(rows, means.tolist(), strict=True)):
        text = f"{mean:.1f}" if np.isfinite(mean) else "–"
        write_margin(axes, row, text, bold=index in strongest, style=style)


def draw_scale(axes: Axes, style: Style) -> None:
    """Draw a small bar of the colours of intensities 0…5."""
    bare(axes, style)
    edges = np.linspace(0, MAX_INTENSITY, 65)
    draw_cells(axes, edges, ((edges[1:] + edges[:-1]) / 2)[None, :], intensity_ramp(style), (0, MAX_INTENSITY))
    for place, text, side in ((-0.03, "0", "right"), (1.03, "5", "left")):
        axes.text(place, 0.5, text, transform=axes.transAxes, ha=side, va="center", fontsize=9, color=style.quiet_ink)


def intensity_ramp(style: Style) -> Colormap:
    """Colour map from the panel's colour to full ink; low intensities, the common ones, get more of the range."""
    from matplotlib.colors import LinearSegmentedColormap

    stops = list(zip((0.0, 0.2, 0.5, 1.0), (style.panel, *style.intensity), strict=True))
    return LinearSegmentedColormap.from_list("intensity", stops)
