"""Answers as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

import numpy as np

from service.cli.table_parts import plain_table, signed_or_dash
from service.cli.terminal import console_for
from service.local.sources import Source
from service.pipeline.results import AudioEmotion, ChannelEmotion, Segments, Timeline
from service.pipeline.video.video_results import VideoAffect
from service.render.channels import has_channel_list, has_dominance, plain_values, top_labels
from service.render.plot_style import clock, percent, signed
from service.render.video_words import facts_of, feature_in_words, moment_in_words, reading_note, unit_in_words

if TYPE_CHECKING:
    from rich.table import Table


BAR_CHARACTERS = 30

_SHOWN = 5
"""Action units, and inputs, that are named about a face."""


class TableReport:
    """Probabilities as bars for one file, a line for each of several. All is printed at the end.

    ``timeline`` and ``segments`` add tables of all windows and all utterances of each file.
    """

    def __init__(self, stream: TextIO, *, several: bool, timeline: bool, segments: bool = False) -> None:
        self._console = console_for(stream)
        self._several = several
        self._timeline = timeline
        self._segments = segments
        self._parts: list[str | Table] = []
        self._lines: Table | None = None

    def add(self, source: Source, result: AudioEmotion | VideoAffect) -> None:
        """Keep the answer for one file."""
        if isinstance(result, VideoAffect):
            self._keep_face(source, result)
            return
        if self._several:
            self._keep_line(source, result)
        else:
            self._keep_bars(source, result)
        if self._timeline:
            self._keep_rows(source, result, lambda channel: channel.timeline)
        if self._segments:
            self._keep_rows(source, result, lambda channel: channel.segments)

    def close(self) -> None:
        """Print what was kept."""
        for part in self._parts:
            self._console.print(part)
        if self._lines is not None:
            self._console.print(self._lines)
        self._parts, self._lines = [], None

    def _keep_face(self, source: Source, result: VideoAffect) -> None:
        if self._several:
            self._overview("arousal", "valence").add_row(*affect_line(source.name, result))
        else:
            self._parts += affect_lines(source.name, result)
        if self._timeline:
            self._parts += ["", *([source.name] if self._several else []), affect_table(result)]

    def _overview(self, *dimensions: str) -> Table:
        if self._lines is None:
            self._lines = plain_table(
                "file", ("length", "r"), "emotion", ("share", "r"), *((name, "r") for name in dimensions), "flags"
            )
        return self._lines

    def _keep_line(self, source: Source, result: AudioEmotion) -> None:
        for channel in result.channels:
            name = f"{source.name} [{channel.channel}]" if has_channel_list(result) else source.name
            dimensions = {"arousal": channel.arousal, "valence": channel.valence}
            dimensions |= {"dominance": channel.dominance} if has_dominance(result) else {}
            self._overview(*dimensions).add_row(
                name,
                clock(result.media.duration_s, 1),
                channel.emotion or "–",
                _share(channel, result.labels),
                *map(signed_or_dash, dimensions.values()),
                ", ".join(channel.flags),
            )

    def _keep_bars(self, source: Source, result: AudioEmotion) -> None:
        media, model = result.media, result.model
        rate = "" if media.sample_rate_hz is None else f", {media.sample_rate_hz} Hz"
        self._parts.append(f"{source.name}   {clock(media.duration_s, 1)}   {media.container} {media.codec}{rate}")
        for channel in result.channels:
            if has_channel_list(result):
                self._parts.append(f"\nchannel {channel.channel}")
            for line in _bar_lines(channel, result.labels):
                self._parts.append(line)
        self._parts.append(f"\nmodel {model.name} {model.version} ({model.licence}) on {model.provider}")
        if result.denoiser is not None:
            self._parts.append(f"after the denoiser {result.denoiser.name} {result.denoiser.version}")
        self._parts.append("A statistical estimate of how the voice sounds. Not a diagnosis.")

    def _keep_rows(
        self, source: Source, result: AudioEmotion, rows_of: Callable[[ChannelEmotion], Timeline | Segments | None]
    ) -> None:
        for channel in result.channels:
            names = [source.name] if self._several else []
            if has_channel_list(result):
                names.append(f"channel {channel.channel}")
            self._parts.append("")
            if names:
                self._parts.append(", ".join(names))
            rows = rows_of(channel)
            self._parts.append("voice activity is not known" if rows is None else _row_table(rows, result.labels))
        if self._several:
            self._parts.append("")


def _bar_lines(channel: ChannelEmotion, labels: tuple[str, ...]) -> Iterator[str]:
    if channel.probabilities is None:
        yield "  no speech found"
    else:
        width = max(map(len, labels), default=0)
        for label, share in zip(labels, channel.probabilities.tolist(), strict=True):
            filled = round(share * BAR_CHARACTERS)
            bar = "█" * filled + "·" * (BAR_CHARACTERS - filled)
            mark = "  ◀" if label == channel.emotion else ""
            yield f"  {label:<{width}}  {bar} {percent(share):>5}{mark}"
    if channel.arousal is not None or channel.valence is not None:
        dominance = "" if channel.dominance is None else f"   dominance {signed_or_dash(channel.dominance)}"
        dimensions = f"arousal {signed_or_dash(channel.arousal)}   valence {signed_or_dash(channel.valence)}{dominance}"
        yield f"  {dimensions}   (−1…+1)"
    for one in channel.speakers or ():
        yield f"  speaker {one.speaker}: {one.speech_s:.1f} s, {' or '.join(one.plausible or ()) or one.emotion or '–'}"
    if channel.flags:
        yield f"  flags: {', '.join(channel.flags)}"


def _row_table(timeline: Timeline | Segments, labels: tuple[str, ...]) -> Table:
    speakers = timeline.speaker if isinstance(timeline, Segments) else None
    who = [] if speakers is None else ["speaker"]
    dimensions = {"arousal": timeline.arousal, "valence": timeline.valence}
    dimensions |= {} if timeline.dominance is None else {"dominance": timeline.dominance}
    table = plain_table(
        ("start", "r"),
        ("end", "r"),
        *who,
        "emotion",
        ("share", "r"),
        *((name, "r") for name in dimensions),
        ("speech", "r"),
    )
    nothing: list[float | None] = [None] * len(timeline.start_s)
    columns = [
        nothing if values is None else plain_values(values, 6)
        for values in (
            timeline.probabilities.max(axis=1) if labels else None,
            timeline.speech,
            *dimensions.values(),
        )
    ]
    emotions = top_labels(timeline.probabilities, labels)
    times = zip(timeline.start_s.tolist(), timeline.end_s.tolist(), strict=True)
    names = [[]] * len(emotions) if speakers is None else [[one or "–"] for one in speakers]
    for (start_s, end_s), name, emotion, share, speech, *values in zip(times, names, emotions, *columns, strict=True):
        table.add_row(
            clock(start_s, 1),
            clock(end_s, 1),
            *name,
            emotion or "–",
            "–" if share is None else percent(share),
            *map(signed_or_dash, values),
            "–" if speech is None else percent(speech),
        )
    return table


def _share(channel: ChannelEmotion, labels: tuple[str, ...]) -> str:
    if channel.probabilities is None or channel.emotion is None:
        return "–"
    return percent(float(channel.probabilities[labels.index(channel.emotion)]))


def affect_line(name: str, result: VideoAffect) -> list[str]:
    """One row of the overview of several files."""
    means = {target: statistics.mean for target, statistics in result.summary.items()}
    return [
        name,
        clock(result.media.duration_s, 1),
        "–",
        "–",
        signed_or_dash(means.get("arousal")),
        signed_or_dash(means.get("valence")),
        ", ".join(result.flags),
    ]


def affect_lines(name: str, result: VideoAffect) -> list[str]:
    """Lines about one file: everything but its series."""
    media = result.media
    size = "" if media.width is None else f", {media.width}×{media.height}"
    lines = [f"{name}   {media.container} {media.codec}{size}   {', '.join(facts_of(result))}"]
    for target, statistics in result.summary.items():
        span = f"{signed(statistics.min)} … {signed(statistics.max)}"
        lines.append(f"  {target}  mean {signed(statistics.mean)}   spread {statistics.std:.2f}   {span}   (−1…+1)")
    lines += _strongest_units(result)
    lines += _drivers(result)
    if result.audio is not None:
        emotion = result.audio.channels[0].emotion
        lines.append(f"  voice  {emotion or 'no speech found'}")
    if result.flags:
        lines.append(f"  flags: {', '.join(result.flags)}")
    if "affect" in result.models:
        model = result.models["affect"]
        lines.append(f"\nmodel {model.name} {model.version} ({model.licence}) on {model.provider}")
    lines.append(reading_note(result))
    return lines


def affect_table(result: VideoAffect) -> Table:
    """A table with one row for each step of the timeline."""
    table = plain_table("time", ("arousal", "r"), ("valence", "r"), ("face", "r"), ("speech", "r"))
    unknown: list[float | None] = [None] * len(result.time_s)
    speech = unknown if result.speech is None else plain_values(result.speech, 2)
    columns = [plain_values(series, 6) for series in (result.arousal, result.valence, result.face_confidence)]
    for time_s, arousal, valence, face, spoken in zip(result.time_s.tolist(), *columns, speech, strict=True):
        table.add_row(
            clock(time_s, 1),
            signed_or_dash(arousal),
            signed_or_dash(valence),
            "–" if face is None else percent(face),
            "–" if spoken is None else percent(spoken),
        )
    return table


def _strongest_units(result: VideoAffect) -> list[str]:
    if result.action_units is None:
        return []
    known = result.action_units[np.isfinite(result.action_units).all(axis=1)]
    if not len(known):
        return []
    means = known.mean(axis=0)
    order = np.argsort(-means)[:_SHOWN].tolist()
    words = [f"{unit_in_words(result.action_unit_names[index])} {means[index]:.1f}" for index in order]
    return [f"  strongest units (0…5): {', '.join(words)}"]


def _drivers(result: VideoAffect) -> list[str]:
    """The features that moved each mean most."""
    parts = result.attribution
    if parts is None:
        return []
    lines = []
    for target, sums, baseline in (
        ("arousal", parts.arousal_by_feature, parts.arousal_baseline),
        ("valence", parts.valence_by_feature, parts.valence_baseline),
    ):
        order = np.argsort(-np.abs(sums))[:_SHOWN].tolist()
        words = [f"{feature_in_words(parts.features[index])} {signed(float(sums[index]))}" for index in order]
        lines.append(f"  moved {target} from {signed(baseline)} at rest: {'; '.join(words)}")
    return lines + [f"  {moment_in_words(one)}: {one.target} {signed(one.contribution)}" for one in parts.moments]
