"""Panels for one window: bars of probabilities, gauges of arousal, valence and dominance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from service.pipeline.results import ChannelEmotion
from service.render.plot_style import Style, bare, signed, write_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_bars(axes: Axes, channel: ChannelEmotion, labels: tuple[str, ...], style: Style) -> None:
    """Draw probabilities as horizontal bars, the largest on top."""
    bare(axes, style)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    if channel.probabilities is None:
        axes.set_yticks(range(len(labels)), labels)
        _say_no_speech(axes, style)
        return
    order = np.argsort(-channel.probabilities, kind="stable").tolist()
    for quarter in (0.25, 0.5, 0.75, 1.0):
        axes.axvline(quarter, color=style.rule, linewidth=0.8, zorder=1)
    axes.axvline(0, color=style.quiet_ink, linewidth=1, zorder=4)
    for row, index in enumerate(order):
        share = float(channel.probabilities[index])
        leads = labels[index] == channel.emotion
        axes.barh(row, share, height=0.68, color=style.class_colour(index), alpha=1.0 if leads else 0.55, zorder=3)
        write_share(axes, row, share, leads=leads, style=style)
    axes.set_yticks(range(len(labels)), [labels[index] for index in order])
    axes.tick_params(axis="y", labelcolor=style.ink, labelsize=10)
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])


def draw_gauges(axes: Axes, channel: ChannelEmotion, style: Style) -> None:
    """Draw arousal, valence and, where the model has it, dominance as bars from 0 to the left or right, −1…1."""
    rows = [("arousal", channel.arousal, style.arousal), ("valence", channel.valence, style.valence)]
    if channel.timeline.dominance is not None:
        rows.append(("dominance", channel.dominance, style.dominance))
    bare(axes, style)
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(len(rows) - 0.3, -0.8)
    for level in (-1, -0.5, 0.5, 1):
        axes.axvline(level, color=style.rule, linewidth=0.8, zorder=1)
    axes.axvline(0, color=style.quiet_ink, linewidth=1, zorder=4)
    ground = {"facecolor": style.panel, "edgecolor": "none", "pad": 1.5}
    for row, (name, value, colour) in enumerate(rows):
        text = f"{name} –" if value is None else f"{name} {signed(value)}"
        axes.text(-1.0, row - 0.36, text, ha="left", va="center", fontsize=10, color=colour, zorder=5, bbox=ground)
        axes.barh(row, 0.0 if value is None else float(np.clip(value, -1, 1)), height=0.34, color=colour, zorder=3)
    axes.set_xticks([-1, 0, 1], ["−1", "0", "+1"])


def _say_no_speech(axes: Axes, style: Style) -> None:
    axes.set_facecolor(style.silence)
    axes.text(
        0.5,
        0.5,
        "no speech found",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=12,
        color=style.quiet_ink,
    )
