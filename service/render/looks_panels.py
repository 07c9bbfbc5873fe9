"""Panels about what a published network saw in the pictures of a face: its plane, its classes, its action units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from service.pipeline.face.looks import ExpressionSeries
from service.pipeline.results import ChannelEmotion, FloatArray
from service.pipeline.video.video_results import VideoAffect
from service.render.plot_page import GAP, HEADING, Page, in_words
from service.render.plot_timeline import draw_affect, draw_lanes
from service.render.video_panels import as_windows, draw_units
from service.render.video_words import unit_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PLANE, _LANE, _UNIT = 1.3, 0.3, 0.235  # inches
_NO_FACE = "no face"


@dataclass(frozen=True)
class LooksPanels:
    """The panels of one face.

    Args:
        result: the answer that they stand in.
        seen: what the network saw.
    """

    result: VideoAffect
    seen: ExpressionSeries

    @property
    def height(self) -> float:
        """Inches that they take with their headings and gaps."""
        columns = self.seen.columns
        rows = [_PLANE * columns.has_plane, _LANE * len(columns.labels), _UNIT * len(columns.action_units)]
        return sum(HEADING + height + GAP for height in rows if height)

    @property
    def origin(self) -> str:
        """The line below the picture that says which network it is."""
        return f"Published network {in_words(self.result.models['expression'])}"

    def draw(self, page: Page, shared: Axes) -> Axes:
        """Draw them below the panels of ``page``, on the time axis of ``shared``; returns the last one."""
        columns, style, last = self.seen.columns, page.style, shared
        name = self.result.models["expression"].name
        if columns.has_plane:
            page.heading(f"Arousal and valence as {name} sees them in the picture, −1 … +1")
            last, plane = page.panel(_PLANE, shared), self._channel(None)
            draw_affect(last, plane, plane.timeline, style, unknown=_NO_FACE)
        if columns.labels:
            page.heading(f"Expression as {name} sees it, probability 0 … 1", margin="mean")
            last, classes = page.panel(_LANE * len(columns.labels), shared), self._channel("probabilities")
            draw_lanes(last, classes, classes.timeline, columns.labels, style, unknown=_NO_FACE)
        if columns.action_units:
            page.heading(f"Action units as {name} sees them, intensity 0 … 5", margin="mean")
            last = page.panel(_UNIT * len(columns.action_units), shared)
            draw_units(
                last, self._channel("action_units").timeline, list(map(unit_in_words, columns.action_units)), style
            )
        return last

    def _channel(self, output: str | None) -> ChannelEmotion:
        """One output, or none, beside valence and arousal, in the form that the panels of the voice take."""
        values = None if output is None else self.seen.output(output)
        columns = np.empty((len(self.result.time_s), 0), np.float32) if values is None else values
        if output == "action_units":  # their panel's first column is the confidence
            confidence = np.where(np.isfinite(columns[:, :1]), self.result.face_confidence[:, None], np.nan)
            columns = np.concatenate([confidence, columns], axis=1).astype(np.float32)
        shares = self.seen.mean("probabilities")
        arousal, valence = self.seen.mean("arousal"), self.seen.mean("valence")
        return ChannelEmotion(
            channel="mix",
            probabilities=shares,
            emotion=None if shares is None else self.seen.columns.labels[int(shares.argmax())],
            arousal=None if arousal is None else float(arousal[0]),
            valence=None if valence is None else float(valence[0]),
            timeline=as_windows(self.result, columns, self._line("arousal"), self._line("valence")),
        )

    def _line(self, name: str) -> FloatArray | None:
        values = self.seen.output(name)
        return None if values is None else values[:, 0]
