"""The PNG answer about a face: arousal, valence, confidence, speech and action units over time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from service.pipeline.face.unit_scale import MAX_INTENSITY
from service.pipeline.results import ChannelEmotion, Timeline
from service.pipeline.video.video_results import VideoAffect
from service.render.plot_page import BOTTOM, GAP, HEADING, RIGHT, TOP, Page, joined_below
from service.render.plot_style import DARK, LIGHT, PAGE_INCHES, Style, bare, write_margin
from service.render.plot_timeline import (
    cell_edges_s,
    draw_affect,
    draw_cells,
    draw_clock,
    draw_strip,
    pooled,
    shade_unknown,
)
from service.render.video_words import facts_of, footnotes, unit_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap


# inches
TITLE = "Arousal and valence in the face"
"""First line of a picture without a title."""

_LEFT, _AFFECT, _STRIP, _UNIT, _SCALE = 2.15, 2.4, 0.16, 0.235, 1.5


def affect_png(result: VideoAffect, include: frozenset[str], *, title: str | None = None, dark: bool = False) -> bytes:
    """Draw all that ``include`` asks for and ``result`` has in one picture.

    The series over time come first, those of each face where every face was asked for, then the attribution, then the
    emotion of the sound track. Attribution that is asked for alone is drawn alone.
    """
    pages = []
    with_attribution = "attribution" in include and result.attribution is not None
    if not (with_attribution and include == {"attribution"}):
        for face in result.faces or ():
            pages.append(video_affect_png(face, title=f"{title or TITLE}, face {face.face}", dark=dark))
        if not result.faces:
            pages.append(video_affect_png(result, title=title, dark=dark))
    if with_attribution:
        from service.render.attribution_plot import attribution_png

        pages.append(attribution_png(result, title=title, dark=dark))
    if "audio" in include and result.audio is not None:
        from service.render.plot import audio_emotion_png

        pages.append(audio_emotion_png(result.audio, title="Emotion in the voice of the sound track", dark=dark))
    return pages[0] if len(pages) == 1 else joined_below(pages)


def video_affect_png(result: VideoAffect, *, title: str | None = None, dark: bool = False) -> bytes:
    """Draw ``result`` over time, with action units where it has them; a PNG, 1320 pixels wide."""
    page = _AffectPage(result, DARK if dark else LIGHT)
    page.draw(title or TITLE)
    return page.png()


class _AffectPage(Page):
    def __init__(self, result: VideoAffect, style: Style) -> None:
        self.result = result
        self.timeline = face_timeline(result)
        height = TOP + HEADING + _AFFECT + GAP + _STRIP + GAP + BOTTOM
        if result.speech is not None:
            height += _STRIP + GAP
        if result.action_units is not None:
            height += HEADING + _UNIT * len(result.action_unit_names) + GAP
        super().__init__(style, height, _LEFT)

    def draw(self, title: str) -> None:
        """Draw everything."""
        self.title(title, facts_of(self.result))
        self._flags()
        pale = "" if self.result.arousal_uncertainty is None else "; pale: 95 % of refits"
        self.heading(f"Arousal (−1 calm … +1 excited), valence (−1 unpleasant … +1 pleasant){pale}")
        span_s = (0.0, max(self.result.media.duration_s, float(self.timeline.end_s[-1])))
        affect = self.panel(_AFFECT)
        affect.set_xlim(*span_s)
        affect.set_autoscalex_on(False)
        draw_uncertainty(affect, self.result, self.style)
        draw_affect(affect, overall(self.result), self.timeline, self.style, unknown="no face")
        affect.set_yticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "+0.5", "+1"])
        last = self.panel(_STRIP, affect)
        draw_strip(last, self.timeline, self.timeline.probabilities[:, 0], "face confidence", self.style)
        shade_unknown(last, self.timeline, self.style)
        if self.timeline.speech is not None:
            last = self.panel(_STRIP, affect)
            draw_strip(last, self.timeline, self.timeline.speech, "speech", self.style)
        if self.result.action_units is not None:
            last = self._units(affect)
        draw_clock(last, span_s, self.style)
        self.footer(*footnotes(self.result))

    def _flags(self) -> None:
        flags = [flag.replace("_", " ") for flag in self.result.flags if not flag.startswith("trained")]
        if flags:
            self.text(", ".join(flags), 0.36, x=PAGE_INCHES - 0.3, align="right")

    def _units(self, shared: Axes) -> Axes:
        top = self.heading("Action units, intensity 0 … 5", margin="mean")
        draw_scale(self.axes(top - 0.05, 0.1, left=PAGE_INCHES - RIGHT - _SCALE - 0.2, right=RIGHT + 0.2), self.style)
        axes = self.panel(_UNIT * len(self.result.action_unit_names), shared)
        names = [unit_in_words(unit) for unit in self.result.action_unit_names]
        draw_units(axes, self.timeline, names, self.style)
        return axes


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
    end_s = result.time_s + _HOP_S / 2
    end_s[-1] = max(end_s[-1], min(result.media.duration_s, end_s[-1] + _HOP_S))  # up to the end of the last step
    seen = np.isfinite(result.arousal) | np.isfinite(result.valence)
    return pooled(
        Timeline(
            start_s=result.time_s - _HOP_S / 2,
            end_s=end_s,
            probabilities=np.where(seen[:, None], np.concatenate(columns, axis=1), np.nan).astype(np.float32),
            arousal=result.arousal,
            valence=result.valence,
            speech=result.speech,
        )
    )


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
