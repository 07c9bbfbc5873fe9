"""The plot of a sound: a picture of one recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from service.pipeline.results import AudioEmotion, ChannelEmotion, Timeline
from service.render.channels import has_channel_list, has_dominance, merged_channel
from service.render.plot_page import AFFECT_SCALE, BOTTOM, GAP, HEADING, RIGHT, TOP, Page, in_words
from service.render.plot_style import (
    DARK,
    LIGHT,
    PAGE_INCHES,
    Style,
    bare,
    clock,
    one_line,
    percent,
    signed,
    write_share,
)
from service.render.plot_timeline import (
    draw_activity,
    draw_affect,
    draw_clock,
    draw_lanes,
    draw_speech,
    draw_waveform,
    pooled,
    utterances,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Inches: margins, then the heights of the panels.
_LEAST_LEFT, _MOST_LEFT, _CHARACTER = 1.15, 2.6, 0.085
_WAVE, _SPEECH, _AFFECT, _LANE, _BAR = 0.85, 0.14, 1.3, 0.4, 0.34
_CLOCK = 0.3
_GAUGE, _GAUGE_GAP = 2.3, 0.95


def audio_emotion_page(
    result: AudioEmotion,
    *,
    title: str | None = None,
    dark: bool = False,
    segments: bool = False,
    voice_activity: bool = False,
) -> Page:
    """Draw ``result``: lanes over time, or bars for a single window. Little evidence is pale.

    Args:
        result: result of the speech pipeline.
        title: first line; a general one if None.
        dark: light ink on dark paper.
        segments: whether to draw utterances in place of windows, as far as they are known.
        voice_activity: whether to draw speech at the steps of voice activity in place of windows, likewise.
    """
    page = _EmotionPage(result, DARK if dark else LIGHT, segments=segments, voice_activity=voice_activity)
    return page.draw(title)


class _EmotionPage(Page):
    """Page for the voice over time, or for one window."""

    def __init__(self, result: AudioEmotion, style: Style, *, segments: bool, voice_activity: bool) -> None:
        self.result = result
        self.segments = segments and any(channel.segments is not None for channel in result.channels)
        self.voice_activity = voice_activity
        self.timelines = [self._rows(channel) for channel in result.channels]
        longest = max(map(len, result.labels), default=0)
        self.over_time = self.segments or len(result.channels[0].timeline.start_s) > 1
        self.with_affect = any(
            channel.arousal is not None or channel.valence is not None or channel.timeline.arousal is not None
            for channel in result.channels
        )
        height = TOP + _WAVE + GAP + len(result.channels) * self._block_height() + BOTTOM
        if not self.over_time:
            height += _CLOCK
        super().__init__(style, height, left=min(max(_LEAST_LEFT, 0.3 + _CHARACTER * longest), _MOST_LEFT))

    def draw(self, title: str | None) -> Self:
        """Draw everything."""
        self._header(title or "Emotion in the voice")
        span_s = self._span_s()
        wave = self.panel(_WAVE)
        draw_waveform(wave, self.result.envelope, span_s, self.style)
        if not self.over_time:
            draw_clock(wave, span_s, self.style)
            self.cursor += _CLOCK
        last = wave
        for channel, timeline in zip(self.result.channels, self.timelines, strict=True):
            last = self._timeline(channel, timeline, wave) if self.over_time else self._window(channel)
        if self.over_time:
            draw_clock(last, span_s, self.style)
        self._footer()
        return self

    def _rows(self, channel: ChannelEmotion) -> Timeline:
        if self.segments and channel.segments is not None:
            return pooled(utterances(channel.segments, self._span_s()))
        return pooled(channel.timeline)

    def _span_s(self) -> tuple[float, float]:
        """Start and end of the analysed range, which windows and envelope both cover."""
        timeline = self.result.channels[0].timeline
        return float(timeline.start_s[0]), float(timeline.end_s[-1])

    def _block_height(self) -> float:
        """Height in inches of one channel's panels with their gaps."""
        classes = len(self.result.labels)
        if not self.over_time:
            return HEADING + max(_BAR * classes, 1.6) + _CLOCK
        speech = (_SPEECH + GAP) if self.result.channels[0].timeline.speech is not None else 0.0
        affect = (HEADING + _AFFECT + GAP) if self.with_affect else 0.0
        return HEADING + speech + _LANE * classes + GAP + affect

    def _timeline(self, channel: ChannelEmotion, timeline: Timeline, shared: Axes) -> Axes:
        self._heading(channel)
        if self.voice_activity and channel.voice_activity is not None:
            draw_activity(self.panel(_SPEECH, shared), channel.voice_activity, self.style)
        elif channel.timeline.speech is not None:
            draw_speech(self.panel(_SPEECH, shared), pooled(channel.timeline), self.style)
        if self.result.labels:
            lanes = self.panel(_LANE * len(self.result.labels), shared)
            draw_lanes(lanes, channel, timeline, self.result.labels, self.style)
            if not self.with_affect:
                return lanes
        self.heading(AFFECT_SCALE + (", dominance (−1 … +1)" if has_dominance(self.result) else ""))
        affect = self.panel(_AFFECT, shared)
        draw_affect(affect, channel, timeline, self.style)
        return affect

    def _window(self, channel: ChannelEmotion) -> Axes:
        top = self._heading(channel)
        height = max(_BAR * len(self.result.labels), 1.6)
        if not self.result.labels:
            gauges = self.axes(self.cursor, height)
            draw_gauges(gauges, channel, self.style)
            self.cursor += height + _CLOCK
            return gauges
        if self.with_affect:
            left = PAGE_INCHES - RIGHT - _GAUGE
            bars = self.axes(self.cursor, height, right=RIGHT + _GAUGE + _GAUGE_GAP)
            draw_gauges(self.axes(self.cursor, height, left=left), channel, self.style)
            named = "Arousal, valence, dominance" if has_dominance(self.result) else "Arousal, valence, −1 … +1"
            self.text(named, top, x=left, bold=True)
        else:
            bars = self.axes(self.cursor, height)
        draw_bars(bars, channel, self.result.labels, self.style)
        self.cursor += height + _CLOCK
        return bars

    def _header(self, title: str) -> None:
        merged = merged_channel(self.result)
        facts = [clock(self.result.media.duration_s, 1 if self.result.media.duration_s < 60 else 0)]
        if merged.probabilities is None:
            facts.append("no speech found")
        elif merged.emotion is not None:
            share = float(merged.probabilities[self.result.labels.index(merged.emotion)])
            facts.append(f"most probable over the whole recording: {merged.emotion}, {percent(share)}")
        facts += [
            f"{name} {signed(value)}"
            for name, value in (
                ("arousal", merged.arousal),
                ("valence", merged.valence),
                ("dominance", merged.dominance),
            )
            if value is not None
        ]
        self.title(title, facts)

    def _heading(self, channel: ChannelEmotion) -> float:
        """Write the line above a channel's panels, with its name and flags; returns the line's position."""
        words = []
        if has_channel_list(self.result) or channel.channel != "mix":
            words.append(f"Channel {channel.channel}" if channel.channel.isdigit() else f"{channel.channel} channel")
        words.append("probability of each emotion" + (", one row an utterance" if self.segments else ""))
        line = ", ".join(words)
        if channel.flags:
            line += "   (" + ", ".join(flag.replace("_", " ") for flag in channel.flags) + ")"
        line = line[:1].upper() + one_line(line[1:], 110 if self.over_time else 70)
        return self.heading(line, margin="overall" if self.over_time else "")

    def _footer(self) -> None:
        model = self.result.model
        rules = (
            "Height is probability, 0 … 1 a lane; full colour marks the leading emotion."
            if self.over_time
            else "Full colour marks the leading emotion."
        )
        self.footer(
            f"{rules} Statistical estimates of how the voice sounds. Not a diagnosis.", f"Model {in_words(model)}"
        )


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
