"""The JSON answer of ``POST /v1/video/affect`` and ``POST /v1/action-units/affect``: columns, no object per step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.attribution import Attribution
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.looks import ExpressionSeries
from service.pipeline.face.neutral import NeutralUse
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import AudioEmotion, FloatArray
from service.pipeline.video.video_results import VideoAffect
from service.render.audio_json import (
    PROBABILITY_DECIMALS,
    SECONDS_DECIMALS,
    channel_members,
    media_members,
    plain_number,
    spans_members,
)
from service.render.channels import merged_channel, plain_values
from service.render.video_words import seen_in_words

if TYPE_CHECKING:
    from service.pipeline.affect.live import AffectRows

ACTION_UNIT_DECIMALS = 3
BOX_DECIMALS = 4
BOX_SIDES = ("x", "y", "width", "height")
UNCERTAINTIES = ("arousal_uncertainty", "valence_uncertainty")
CELL_DECIMALS = 9  # rounding of 3,700 cells moves their sum by less than 1e-5


def video_affect_json(result: VideoAffect, request_id: str, include: frozenset[str]) -> dict[str, object]:
    """Render ``result`` as a tree of dict, list, str, float, int and None; NaN becomes None.

    Each part of ``include`` is a key; its value is None where the recording lacks it.
    """
    document: dict[str, object] = {
        "request_id": request_id,
        "media": media_members(result.media),
        "models": {part: asdict(model) for part, model in result.models.items()},
        "timeline": {
            **affect_members(result),
            "speech": _column(result.speech),
        },
        "summary": {name: _summary(result, name) for name in ("arousal", "valence")},
        "trained": result.trained,
        "look_ahead_s": round(result.look_ahead_s, SECONDS_DECIMALS),
        "flags": list(result.flags),
        "flag_spans": spans_members([*result.flag_spans, *(() if result.audio is None else result.audio.flag_spans)]),
    }
    parts = {
        "action_units": _action_units(result),
        "attribution": None if result.attribution is None else _attribution(result.attribution),
        "audio": None if result.audio is None else _audio(result.audio),
        "boxes": _boxes(result),
        "expression": None if result.expression is None else _expression(result.expression),
        "frame_units": None if result.frames is None else _frame_units(result.frames),
    }
    every = {} if result.faces is None else {"faces": [_face(face, include) for face in result.faces]}
    return document | _neutral(result.neutral) | {name: part for name, part in parts.items() if name in include} | every


def _face(result: VideoAffect, include: frozenset[str]) -> dict[str, object]:
    """One of several faces; what they share stands beside them."""
    assert result.seen_s is not None
    start_s, end_s = result.seen_s
    looked = None if result.expression is None else _expression(result.expression)
    parts = {"action_units": _action_units(result), "boxes": _boxes(result), "expression": looked}
    return {
        "face": result.face,
        "start_s": round(start_s, SECONDS_DECIMALS),
        "end_s": round(end_s, SECONDS_DECIMALS),
        "timeline": affect_members(result),
        "summary": {name: _summary(result, name) for name in ("arousal", "valence")},
        "flags": list(result.flags),
        "flag_spans": spans_members(result.flag_spans),
        **_neutral(result.neutral),
        **{name: part for name, part in parts.items() if name in include},
    }


def _neutral(use: NeutralUse | None) -> dict[str, object]:
    """The member about what was subtracted; none for a table."""
    if use is None:
        return {}
    start_s, end_s = (None if one is None else round(one, SECONDS_DECIMALS) for one in (use.start_s, use.end_s))
    return {"neutral": {"source": use.source, "start_s": start_s, "end_s": end_s, "frames": use.frames}}


def affect_members(rows: AffectRows | VideoAffect) -> dict[str, object]:
    """Columns of some or all rows of a timeline, rounded; None in place of NaN."""
    return {
        "time_s": plain_values(rows.time_s, SECONDS_DECIMALS),
        "arousal": plain_values(rows.arousal, PROBABILITY_DECIMALS),
        "valence": plain_values(rows.valence, PROBABILITY_DECIMALS),
        **{name: _column(getattr(rows, name)) for name in UNCERTAINTIES},
        "face_confidence": plain_values(rows.face_confidence, PROBABILITY_DECIMALS),
    }


def _column(values: FloatArray | None) -> list[float | None] | None:
    return None if values is None else plain_values(values, PROBABILITY_DECIMALS)


def _summary(result: VideoAffect, name: str) -> dict[str, float | None] | None:
    statistics = result.summary.get(name)
    if statistics is None:
        return None
    return {member: plain_number(value) for member, value in asdict(statistics).items()}


def _action_units(result: VideoAffect) -> dict[str, object] | None:
    if result.action_units is None:
        return None
    return {
        name: plain_values(result.action_units[:, index], ACTION_UNIT_DECIMALS)
        for index, name in enumerate(result.action_unit_names)
    }


def _boxes(result: VideoAffect) -> dict[str, object] | None:
    if result.boxes is None:
        return None
    sides = {side: plain_values(result.boxes[:, index], BOX_DECIMALS) for index, side in enumerate(BOX_SIDES)}
    return {"time_s": plain_values(result.time_s, SECONDS_DECIMALS), **sides}


def _expression(seen: ExpressionSeries) -> dict[str, object]:
    """A network's numbers at each step of the timeline; None for those that it does not tell."""

    def column(name: str) -> list[float | None] | None:
        values = seen.output(name)
        return None if values is None else plain_values(values[:, 0], PROBABILITY_DECIMALS)

    def columns(name: str, names: Sequence[str], decimals: int) -> dict[str, list[float | None]] | None:
        values = seen.output(name)
        if values is None:
            return None
        return {one: plain_values(numbers, decimals) for one, numbers in zip(names, values.T, strict=True)}

    return {
        "arousal": column("arousal"),
        "valence": column("valence"),
        "labels": list(seen.columns.labels),
        "probabilities": columns("probabilities", seen.columns.labels, PROBABILITY_DECIMALS),
        "action_units": columns("action_units", seen.columns.action_units, ACTION_UNIT_DECIMALS),
    }


def _frame_units(frames: FaceSeries) -> dict[str, object]:
    units = np.where(frames.tracked[:, None], frames.action_units, np.nan)
    return {
        "time_s": plain_values(frames.time_s, SECONDS_DECIMALS),
        "face_confidence": plain_values(frames.confidence, PROBABILITY_DECIMALS),
        **{name: plain_values(units[:, index], ACTION_UNIT_DECIMALS) for index, name in enumerate(ACTION_UNITS)},
    }


def _attribution(attribution: Attribution) -> dict[str, object]:
    def rows(cells: NDArray[np.float64]) -> list[list[float | None]]:
        return [plain_values(row, CELL_DECIMALS) for row in cells]

    moments = attribution.moments
    return {
        "features": list(attribution.features),
        "lags_s": plain_values(attribution.lags_s, SECONDS_DECIMALS),
        "arousal": rows(attribution.arousal),
        "valence": rows(attribution.valence),
        "arousal_by_feature": plain_values(attribution.arousal_by_feature, CELL_DECIMALS),
        "valence_by_feature": plain_values(attribution.valence_by_feature, CELL_DECIMALS),
        "arousal_baseline": plain_number(attribution.arousal_baseline),
        "valence_baseline": plain_number(attribution.valence_baseline),
        "moments": {
            "target": [moment.target for moment in moments],
            "start_s": [round(moment.start_s, SECONDS_DECIMALS) for moment in moments],
            "end_s": [round(moment.end_s, SECONDS_DECIMALS) for moment in moments],
            "feature": [moment.feature for moment in moments],
            "contribution": [plain_number(moment.contribution) for moment in moments],
            "words": [seen_in_words(moment.feature) for moment in moments],
        },
    }


def _audio(audio: AudioEmotion) -> dict[str, object]:
    return {
        "model": asdict(audio.model),
        "labels": list(audio.labels),
        **channel_members(merged_channel(audio), audio.labels, timeline=True, segments=True),
    }
