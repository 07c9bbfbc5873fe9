"""The answer about a face as lines and tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from service.cli.table_parts import plain_table, signed_or_dash
from service.pipeline.video.video_results import VideoAffect
from service.render.channels import plain_values
from service.render.plot_style import clock, percent, signed
from service.render.video_words import facts_of, feature_in_words, moment_in_words, reading_note, unit_in_words

if TYPE_CHECKING:
    from rich.table import Table

_SHOWN = 5


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
