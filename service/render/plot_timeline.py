"""Panels over time: waveform, speech, a lane for each class, arousal, valence and dominance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import ChannelEmotion, FloatArray, Segments, Timeline, VoiceTrace
from service.render.plot_style import Style, bare, signed, time_ticks, write_share, write_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

LANE_HEIGHT = 0.86
"""Height of probability 1 in a lane; lanes are 1 apart."""

_LEAST_PEAK = 0.1  # quieter recordings look as quiet as they are
_FAINTEST = 0.25  # strength of a row without any voice
_MARKED_WINDOWS = 60
_MOST_COLUMNS = 1200
_MOST_PATHS = 2500
_LABELLED_GAP = 0.085
_SHARE = "pale 0, full 1"
_CLOCK_UNIT = (26, -8)  # points from the end of the time axis


def pooled(timeline: Timeline) -> Timeline:
    """``timeline`` with neighbouring windows averaged, so that there are no more than columns of pixels.

    Averages skip NaN; a group without known values is NaN.
    """
    windows = len(timeline.start_s)
    if windows <= _MOST_COLUMNS:
        return timeline
    bounds = np.linspace(0, windows, _MOST_COLUMNS + 1).astype(int)[:-1]

    def mean(values: FloatArray | None) -> FloatArray | None:
        if values is None:
            return None
        known = np.isfinite(values)
        total = np.add.reduceat(np.where(known, values, 0.0), bounds, axis=0)
        count = np.add.reduceat(known.astype(np.float32), bounds, axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)

    probabilities = mean(timeline.probabilities)
    assert probabilities is not None
    return Timeline(
        start_s=timeline.start_s[bounds],
        end_s=np.append(timeline.end_s[bounds[1:] - 1], timeline.end_s[-1]),
        probabilities=probabilities,
        arousal=mean(timeline.arousal),
        valence=mean(timeline.valence),
        dominance=mean(timeline.dominance),
        speech=mean(timeline.speech),
        confidence=mean(timeline.confidence),
    )


def utterances(segments: Segments, span_s: tuple[float, float]) -> Timeline:
    """Utterances as the rows of a timeline, with a row of NaN for each pause between, before and after them."""
    times_s = np.stack([segments.start_s, segments.end_s], axis=1).ravel()
    first_s, last_s = min([span_s[0], *times_s[:1]]), max([span_s[1], *times_s[-1:]])
    edges_s = np.concatenate([[first_s], times_s, [last_s]])

    def column(values: FloatArray | None) -> FloatArray | None:
        if values is None:
            return None
        rows = np.full((len(edges_s) - 1, *values.shape[1:]), np.nan, np.float32)
        rows[1::2] = values
        return rows

    probabilities = column(segments.probabilities)
    assert probabilities is not None
    return Timeline(
        edges_s[:-1],
        edges_s[1:],
        probabilities,
        column(segments.arousal),
        column(segments.valence),
        column(segments.speech),
        column(segments.confidence),
        dominance=column(segments.dominance),
    )


def cell_edges_s(timeline: Timeline) -> NDArray[np.float64]:
    """Borders between the drawn windows in seconds, float64 [windows + 1].

    The border between overlapping windows is the middle of the overlap; windows end to end keep their bounds.
    """
    inner_s = (timeline.start_s[1:] + timeline.end_s[:-1]) / 2
    return np.concatenate([timeline.start_s[:1], inner_s, timeline.end_s[-1:]])


def unknown_spans_s(timeline: Timeline) -> list[tuple[float, float]]:
    """Start and end in seconds of each run of unknown windows."""
    unknown = ~known_rows(timeline)
    steps = np.diff(np.concatenate([[0], unknown.astype(np.int8), [0]]))
    edges_s = cell_edges_s(timeline)
    return list(
        zip(edges_s[np.flatnonzero(steps == 1)].tolist(), edges_s[np.flatnonzero(steps == -1)].tolist(), strict=True)
    )


def known_rows(timeline: Timeline) -> NDArray[np.bool_]:
    """Rows that were judged, bool [windows]; without classes those with arousal."""
    if timeline.probabilities.shape[1] or timeline.arousal is None:
        return np.asarray(np.isfinite(timeline.probabilities).all(axis=1))
    return np.isfinite(timeline.arousal)


def draw_waveform(axes: Axes, envelope: FloatArray, span_s: tuple[float, float], style: Style) -> None:
    """Draw minimum and maximum of the waveform, scaled to its largest magnitude."""
    bare(axes, style)
    axes.set_xlim(*span_s)
    peak = max(_LEAST_PEAK, float(np.abs(envelope).max(initial=0.0)))
    axes.set_ylim(-1.08 * peak, 1.08 * peak)
    axes.axhline(0, color=style.rule, linewidth=0.8, zorder=1)
    if len(envelope):
        times_s = np.linspace(*span_s, len(envelope))
        axes.fill_between(
            times_s, envelope[:, 0], envelope[:, 1], color=style.wave, edgecolor=style.wave, linewidth=0.5, zorder=3
        )
    axes.set_yticks([0], ["sound"])
    write_unit(axes, f"±{peak:.2f}\nof full scale", style)


def draw_speech(axes: Axes, timeline: Timeline, style: Style) -> None:
    """Draw the share of speech in each window as a strip; full colour is 1."""
    assert timeline.speech is not None
    draw_strip(axes, timeline, timeline.speech, "speech", style)


def draw_activity(axes: Axes, trace: VoiceTrace, style: Style) -> None:
    """Draw the probability of speech at each step of voice activity as a strip, in no more columns than pixels."""
    first = np.unique(np.linspace(0, len(trace.probabilities), _MOST_COLUMNS + 1).astype(int))
    steps = np.diff(first)
    shares = np.add.reduceat(trace.probabilities, first[:-1]) / steps if len(steps) else trace.probabilities
    bare(axes, style)
    axes.set_ylim(0, 1)
    if len(steps):
        draw_cells(axes, trace.start_s + first * trace.hop_s, shares[None, :], _ramp(style), (0, 1))
    axes.set_yticks([0.5], ["speech"])
    write_unit(axes, _SHARE, style)


def draw_strip(axes: Axes, timeline: Timeline, shares: FloatArray, name: str, style: Style) -> None:
    """Draw shares 0…1, float32 [windows], as a strip; full colour is 1."""
    bare(axes, style)
    axes.set_ylim(0, 1)
    draw_cells(axes, cell_edges_s(timeline), np.nan_to_num(np.clip(shares, 0, 1))[None, :], _ramp(style), (0, 1))
    axes.set_yticks([0.5], [name])
    write_unit(axes, _SHARE, style)


def draw_cells(
    axes: Axes,
    columns: NDArray[np.float64],
    cells: NDArray[np.floating],
    colours: Colormap | str,
    limits: tuple[float, float],
) -> None:
    """Draw coloured cells [rows, columns]: rows of height 1 from the bottom, between the edges ``columns``.

    Many cells are an image in SVG and PDF: as paths they would take megabytes.
    """
    rows = np.linspace(0.0, len(cells), len(cells) + 1)
    mesh = axes.pcolormesh(columns, rows, cells, cmap=colours, vmin=limits[0], vmax=limits[1], zorder=2)
    mesh.set_edgecolor("face")
    mesh.set_linewidth(0.2)
    mesh.set_rasterized(cells.size > _MOST_PATHS)


def _ramp(style: Style) -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("speech", [style.panel, style.wave])


def draw_lanes(
    axes: Axes,
    channel: ChannelEmotion,
    timeline: Timeline,
    labels: tuple[str, ...],
    style: Style,
    *,
    unknown: str = "no speech",
) -> None:
    """Draw a lane for each class, first label on top: its height is the probability, in full colour where it leads.

    ``unknown`` labels gaps.
    """
    bare(axes, style)
    axes.set_ylim(0, len(labels))
    shade_unknown(axes, timeline, style, written=unknown)
    edges_s = cell_edges_s(timeline)
    known = known_rows(timeline)
    leader = np.where(known, np.argmax(np.nan_to_num(timeline.probabilities), axis=1), -1)
    for index in range(len(labels)):
        floor = float(len(labels) - 1 - index)
        colour = style.class_colour(index)
        tops = floor + LANE_HEIGHT * timeline.probabilities[:, index].astype(np.float64)
        axes.axhline(floor, color=style.rule, linewidth=0.8, zorder=1)
        axes.stairs(
            np.where(known, tops, floor), edges_s, baseline=floor, fill=True, color=colour, alpha=0.35, zorder=3
        )
        axes.stairs(np.where(leader == index, tops, floor), edges_s, baseline=floor, fill=True, color=colour, zorder=4)
    _fade(axes, timeline, style)
    axes.set_yticks([len(labels) - 1 - index + 0.4 for index in range(len(labels))], labels)
    axes.tick_params(axis="y", labelcolor=style.ink)
    _annotate_shares(axes, channel, labels, style)


def _fade(axes: Axes, timeline: Timeline, style: Style) -> None:
    """Veil the rows that hold little voice: the less, the paler."""
    if timeline.confidence is None:
        return
    known = known_rows(timeline) & np.isfinite(timeline.confidence)
    veil = np.where(known, (1 - _FAINTEST) * (1 - np.clip(timeline.confidence, 0, 1)), 0)
    if not veil.any():
        return
    red, green, blue = (int(style.panel[place : place + 2], 16) / 255 for place in (1, 3, 5))
    colours = np.stack([np.full(len(veil), part) for part in (red, green, blue)] + [veil], axis=1)[None]
    axes.pcolormesh(cell_edges_s(timeline), list(axes.get_ylim()), colours, zorder=5, linewidth=0, antialiased=False)


def _annotate_shares(axes: Axes, channel: ChannelEmotion, labels: tuple[str, ...], style: Style) -> None:
    for index, label in enumerate(labels):
        share = None if channel.probabilities is None else float(channel.probabilities[index])
        row = len(labels) - 1 - index + 0.4
        write_share(axes, row, share, leads=label == channel.emotion, style=style)


def draw_affect(axes: Axes, channel: ChannelEmotion, timeline: Timeline, style: Style, *, unknown: str = "") -> None:
    """Draw arousal (solid), valence (dashed) and dominance (dotted), −1…1, at the centres of the windows.

    ``unknown`` labels gaps.
    """
    bare(axes, style)
    axes.set_ylim(-1.08, 1.08)
    shade_unknown(axes, timeline, style, written=unknown)
    for level in (-1, -0.5, 0, 0.5, 1):
        axes.axhline(level, color=style.quiet_ink if level == 0 else style.rule, linewidth=0.8, zorder=1)
    axes.set_yticks([-1, 0, 1], ["−1", "0", "+1"])
    centres_s = (timeline.start_s + timeline.end_s) / 2
    ends: list[tuple[float, str, str]] = []
    for name, values, overall, colour, dashes in (
        ("arousal", timeline.arousal, channel.arousal, style.arousal, "-"),
        ("valence", timeline.valence, channel.valence, style.valence, (0, (4, 1.6))),
        ("dominance", timeline.dominance, channel.dominance, style.dominance, (0, (1.2, 1.6))),
    ):
        if values is None:
            continue
        axes.plot(centres_s, values, color=colour, linestyle=dashes, linewidth=1.7, zorder=4)
        marked = np.isfinite(values) & (_alone(values) | (len(values) <= _MARKED_WINDOWS))
        axes.plot(centres_s[marked], values[marked], color=colour, linestyle="", marker="o", markersize=3.2, zorder=5)
        ends.append(
            (overall if overall is not None else 0.0, f"{name} {'–' if overall is None else signed(overall)}", colour)
        )
    _fade(axes, timeline, style)
    _annotate_ends(axes, ends)


def _alone(values: FloatArray) -> NDArray[np.bool_]:
    """Mask of known values between unknown neighbours, which a line cannot show."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    alone: NDArray[np.bool_] = known[1:-1] & ~known[:-2] & ~known[2:]
    return alone


def _annotate_ends(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Write names and means of the lines beside the panel, the higher one above."""
    ordered = sorted(ends, key=lambda end: -end[0])
    heights = {2: (0.64, 0.36), 3: (0.78, 0.5, 0.22)}.get(len(ordered), (0.5,))
    for (_, text, colour), height in zip(ordered, heights, strict=True):
        axes.text(1.01, height, text, transform=axes.transAxes, ha="left", va="center", fontsize=9.5, color=colour)


def shade_unknown(axes: Axes, timeline: Timeline, style: Style, *, written: str = "") -> None:
    """Shade unknown times; ``written`` labels them where there is room."""
    low_s, high_s = float(timeline.start_s[0]), float(timeline.end_s[-1])
    for start_s, end_s in unknown_spans_s(timeline):
        axes.axvspan(start_s, end_s, color=style.silence, linewidth=0, zorder=2)
        if written and end_s - start_s > _LABELLED_GAP * (high_s - low_s):
            axes.text(
                (start_s + end_s) / 2,
                0.5,
                written,
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="center",
                fontsize=9,
                color=style.quiet_ink,
                zorder=6,
            )


def draw_clock(axes: Axes, span_s: tuple[float, float], style: Style) -> None:
    """Draw the time axis under the last panel."""
    ticks, names = time_ticks(*span_s)
    axes.set_xticks(ticks, names)
    axes.tick_params(axis="x", length=3, color=style.quiet_ink)
    unit = "h:min:s" if span_s[1] >= 3600 else "min:s"
    axes.annotate(
        unit,
        (1, 0),
        _CLOCK_UNIT,
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=style.quiet_ink,
    )
