"""Findings: results of sound and video in one form, as series, values and models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.unit_scale import MAX_INTENSITY
from service.pipeline.results import AudioEmotion, ChannelEmotion, ModelReference, Timeline
from service.pipeline.video.video_results import VideoAffect
from service.render.channels import has_channel_list, merged_channel

SPEECH = "speech"
SOUND_TRACK = "speech-"
"""Beginning of the codes of a video's sound track."""
AFFECT = "affect"
FACES = "faces"
ACTION_UNITS = "action_units"
EXPRESSION = "expression"
"""Part of a published network, and the beginning of its codes."""

SIGNED = (-1.0, 1.0)
SHARE = (0.0, 1.0)
STEP_S = 0.1  # a face is judged at 10 Hz
GRID_TOLERANCE_S = 1e-3
"""Tolerance for a regular grid: windows start at whole samples."""


@dataclass(frozen=True)
class Series:
    """One quantity over time.

    Attributes:
        code: such as 'arousal' or 'probability-anger'.
        title: name for people.
        part: part of the findings whose model made it.
        values: float64 [steps] on the grid; NaN where unknown.
        period_s: seconds between values.
        start_s: time of the first value in the recording.
        span_s: seconds that a value covers from its time on; 0 for a moment.
        bounds: least and greatest possible value.
        off_grid: (start_s, value) of a last window off the grid, because it ends with the recording.
        mean: value for the whole recording, None if unknown.
    """

    code: str
    title: str
    part: str
    values: NDArray[np.float64]
    period_s: float
    start_s: float
    span_s: float
    bounds: tuple[float, float]
    off_grid: tuple[float, float] | None = None
    mean: float | None = None


@dataclass(frozen=True)
class Findings:
    """One result: quantities over time, models by part ('affect', 'speech'), and flags and remarks to read beside them.

    ``emotion`` is the most probable class with all probabilities; None without speech or classes. ``duration_s`` is the
    length of the recording in seconds.
    """

    series: tuple[Series, ...]
    models: Mapping[str, ModelReference]
    notes: tuple[str, ...]
    duration_s: float
    emotion: tuple[str, Mapping[str, float]] | None = None


def findings_of_audio(result: AudioEmotion) -> Findings:
    """Findings of sound: class probabilities and dimensions, also for each channel where requested."""
    merged = merged_channel(result)
    series = _channel_series(merged, result.labels, "", "")
    if has_channel_list(result):
        for channel in result.channels:
            series += _channel_series(channel, result.labels, *channel_place(channel.channel))
    emotion = None
    if merged.emotion is not None and merged.probabilities is not None:
        emotion = (merged.emotion, dict(zip(result.labels, merged.probabilities.tolist(), strict=True)))
    notes = [f"flag: {flag}" for flag in merged.flags]
    if result.prior is not None:
        shares = ", ".join(f"{label} {share:.3g}" for label, share in result.prior.by_label.items())
        notes.append(f"Probability of the classes before anything is heard: {shares}.")
    return Findings(tuple(series), {SPEECH: result.model}, tuple(notes), result.media.duration_s, emotion)


def channel_place(channel: str) -> tuple[str, str]:
    """Ending of the codes of one channel, and of their names for people."""
    return f"-channel-{channel}", f", channel {channel}"


def findings_of_affect(result: VideoAffect) -> Findings:
    """Findings of a video: arousal and valence of the face, and the sound track's emotion where requested."""
    notes = [f"flag: {flag}" for flag in result.flags]
    notes.append(f"Each value takes {result.look_ahead_s:g} s of the future into account.")
    series = []
    for code, values in (("arousal", result.arousal), ("valence", result.valence)):
        mean = result.summary[code].mean if code in result.summary else None
        series.append(_steps(code, f"{code.capitalize()} of the face", result, values, mean))
    confidence = _steps("face-confidence", "Confidence of the face detection", result, result.face_confidence, None)
    detector = FACES if FACES in result.models else AFFECT
    series.append(replace(confidence, bounds=SHARE, part=detector))
    series += _unit_series(result)
    series += _looks_series(result)
    if result.audio is None:
        return Findings(tuple(series), result.models, tuple(notes), result.media.duration_s)
    sound = findings_of_audio(result.audio)
    series += [replace(one, code=f"{SOUND_TRACK}{one.code}", title=f"{one.title}, sound track") for one in sound.series]
    notes += [f"sound track, {note}" for note in sound.notes]
    models = result.models | dict(sound.models)
    return Findings(tuple(series), models, tuple(notes), result.media.duration_s, sound.emotion)


def _unit_series(result: VideoAffect) -> list[Series]:
    """The action units, where they were asked for: means of the second around each step."""
    if result.action_units is None:
        return []
    maker = ACTION_UNITS if ACTION_UNITS in result.models else AFFECT
    series = []
    for name, values in zip(result.action_unit_names, result.action_units.T, strict=True):
        known = values[np.isfinite(values)]
        mean = float(known.mean(dtype=np.float64)) if len(known) else None
        one = _steps(f"action-unit-{name[2:]}", f"Intensity of action unit {name[2:]}", result, values, mean)
        series.append(replace(one, bounds=(0.0, MAX_INTENSITY), part=maker))
    return series


def _looks_series(result: VideoAffect) -> list[Series]:
    """Numbers of a published network, where they were asked for."""
    seen = result.expression
    if seen is None:
        return []
    by = "by a published network"
    named = {
        "valence": [("valence", f"Valence of the face, {by}", SIGNED)],
        "arousal": [("arousal", f"Arousal of the face, {by}", SIGNED)],
        "probabilities": [
            (f"probability-{label}", f"Probability of the expression {label}", SHARE) for label in seen.columns.labels
        ],
        "action_units": [
            (f"action-unit-{unit[2:]}", f"Intensity of action unit {unit[2:]}, {by}", (0.0, MAX_INTENSITY))
            for unit in seen.columns.action_units
        ],
    }
    series = []
    for output in seen.columns.outputs:
        values, means = seen.output(output), seen.mean(output)
        assert values is not None
        for index, (code, title, bounds) in enumerate(named[output]):
            mean = None if means is None else float(means[index])
            one = _steps(f"{EXPRESSION}-{code}", title, result, values[:, index], mean)
            series.append(replace(one, bounds=bounds, part=EXPRESSION))
    return series


def _steps(code: str, title: str, result: VideoAffect, values: NDArray[np.float32], mean: float | None) -> Series:
    start_s = float(result.time_s[0]) if len(result.time_s) else 0.0
    return Series(code, title, AFFECT, values.astype(np.float64), STEP_S, start_s, 0.0, SIGNED, mean=mean)


def _channel_series(channel: ChannelEmotion, labels: tuple[str, ...], suffix: str, place: str) -> list[Series]:
    timeline = channel.timeline
    series = []
    for code, column, mean in (
        ("arousal", timeline.arousal, channel.arousal),
        ("valence", timeline.valence, channel.valence),
        ("dominance", timeline.dominance, channel.dominance),
    ):
        if column is not None:
            title = f"{code.capitalize()} of the voice{place}"
            series.append(_windows(code + suffix, title, timeline, column, mean, SIGNED))
    for index, label in enumerate(labels):
        mean = None if channel.probabilities is None else float(channel.probabilities[index])
        title = f"Probability of {label}{place}"
        column = timeline.probabilities[:, index]
        series.append(_windows(f"probability-{label}{suffix}", title, timeline, column, mean, SHARE))
    return series


def _windows(
    code: str,
    title: str,
    timeline: Timeline,
    column: NDArray[np.float32],
    mean: float | None,
    bounds: tuple[float, float],
) -> Series:
    starts, values = timeline.start_s, column.astype(np.float64)
    span_s = float(timeline.end_s[0] - starts[0])
    period_s = float(starts[1] - starts[0]) if len(starts) > 2 else span_s
    on_grid = np.abs(starts - starts[0] - np.arange(len(starts)) * period_s) < GRID_TOLERANCE_S
    off_grid = None if on_grid.all() else (float(starts[-1]), float(values[-1]))
    return Series(code, title, SPEECH, values[on_grid], period_s, float(starts[0]), span_s, bounds, off_grid, mean)
