"""Answers of the video pipeline that look like real ones, with everything that can be missing."""

from dataclasses import replace

import numpy as np

from service.pipeline.affect.attribution import Attribution, Moment
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.face.looks import ExpressionColumns, ExpressionSeries
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import MediaInfo, ModelReference
from service.pipeline.video.video_results import Statistics, VideoAffect
from tests.support.example_results import example_result


def example_affect(
    steps: int = 200,
    *,
    gaps: tuple[tuple[int, int], ...] = (),
    units: bool = True,
    speech: bool = True,
    attribution: bool = True,
    audio: bool = False,
    boxes: bool = False,
    expression: bool = False,
    faces: int | None = None,
    trained: str = "prior",
    flags: tuple[str, ...] = ("trained: prior",),
) -> VideoAffect:
    """Smiles, talk and blinks; steps of ``gaps`` (first, end) have no face. ``faces`` is a number of faces alike."""
    rng = np.random.default_rng(17)
    time_s = np.arange(steps) / 10
    smile = np.clip(np.sin(time_s / 3.1) + 0.6 * np.sin(time_s / 7.7 + 1), 0, None)
    talk = (np.sin(time_s / 5.3 + 2) > 0.1).astype(np.float64)
    frown = np.clip(np.sin(time_s / 9.1 + 3), 0, None)
    drivers = {"AU12": 2.4 * smile, "AU06": 1.5 * smile, "AU25": 1.8 * talk, "AU26": 0.9 * talk, "AU04": 1.2 * frown}
    drivers |= {"AU15": 0.7 * frown, "AU45": 2.5 * (rng.random(steps) < 0.07), "AU07": 0.6 + 0.4 * smile}
    table = np.stack([drivers.get(unit, np.full(steps, 0.15)) for unit in ACTION_UNITS], axis=1)
    smooth = np.ones(7) / 7
    table += rng.normal(0, 0.35, table.shape)
    table = np.stack([np.convolve(column, smooth, mode="same")[:steps] for column in table.T], axis=1).clip(0, 5)
    arousal = np.clip(-0.05 + 0.13 * table[:, 8] + 0.08 * table[:, 14], -1, 1)
    valence = np.clip(-0.1 + 0.28 * table[:, 8] - 0.3 * table[:, 2], -1, 1)
    confidence = np.clip(rng.normal(0.93, 0.03, steps), 0, 0.98)
    for first, end in gaps:
        arousal[first:end] = valence[first:end] = np.nan
        table[first:end] = np.nan
        confidence[first:end] = 0.0
    known = bool(np.isfinite(arousal).any())
    parts = {"units": units, "boxes": boxes, "expression": expression}
    alone = example_affect(steps, gaps=gaps, speech=speech, attribution=False, **parts) if faces is not None else None
    return VideoAffect(
        media=MediaInfo(steps / 10, "mp4", "h264", frame_rate_hz=25.0, width=640, height=360),
        models={
            part: ModelReference(name, "1", "ab" * 32, "CC0-1.0", "CPUExecutionProvider")
            for part, name in (("faces", "mediapipe-faces"), ("affect", "affect-prior"), ("expression", "looks"))
            if expression or part != "expression"
        },
        time_s=time_s,
        arousal=arousal.astype(np.float32),
        valence=valence.astype(np.float32),
        arousal_uncertainty=(0.02 + 0.1 * np.abs(arousal)).astype(np.float32),
        valence_uncertainty=(0.01 + 0.1 * np.abs(valence)).astype(np.float32),
        face_confidence=confidence.astype(np.float32),
        speech=talk.astype(np.float32) if speech else None,
        action_units=table.astype(np.float32) if units else None,
        action_unit_names=ACTION_UNITS,
        attribution=_attribution(rng) if attribution and known else None,
        audio=example_result(4) if audio else None,
        summary={"arousal": _statistics(arousal), "valence": _statistics(valence)} if known else {},
        flags=(*flags, *(("no_face",) if not known else ("face_lost",) if gaps else ())),
        trained=trained,
        look_ahead_s=1.0,
        boxes=_boxes(time_s, arousal) if boxes else None,
        expression=_looks(table, valence) if expression else None,
        face=0,
        seen_s=(0.0, (steps - 1) / 10),
        faces=None if alone is None else tuple(replace(alone, face=number) for number in range(faces or 0)),
        stages_s={"decode": 0.2, "faces": 1.5, "affect": 0.01, "post": 0.002},
    )


def _looks(table: np.ndarray, valence: np.ndarray) -> ExpressionSeries:
    """A network that sees joy and anger, half the valence of the prior, and one unit at 4."""
    columns = ExpressionColumns(has_plane=True, labels=("anger", "joy"), action_units=("AU12",))
    joy = np.clip(table[:, 8] / 3, 0, 1)
    rows = [valence / 2, -valence, 1 - joy, joy, np.where(np.isnan(valence), np.nan, 4.0)]
    return ExpressionSeries(columns, np.stack(rows, axis=1).astype(np.float32))


def _boxes(time_s: np.ndarray, arousal: np.ndarray) -> np.ndarray:
    """A face of a fifth of the picture that moves to the right."""
    box = np.stack([0.1 + 0.1 * time_s / time_s[-1], *np.full((3, len(time_s)), 0.2)], axis=1)
    return np.where(np.isnan(arousal)[:, None], np.nan, box).astype(np.float32)


def _statistics(series: np.ndarray) -> Statistics:
    known = series[np.isfinite(series)]
    return Statistics(float(known.mean()), float(known.std()), float(known.min()), float(known.max()))


def _attribution(rng: np.random.Generator) -> Attribution:
    lags_s = np.arange(-10, 11) / 10
    shape = 0.5 + 0.5 * np.cos(np.pi * lags_s / 1.1)
    shape /= shape.sum()
    arousal_sums = rng.normal(0, 0.008, len(COLUMNS))
    valence_sums = rng.normal(0, 0.008, len(COLUMNS))
    for unit, arousal, valence in (
        ("AU12", 0.13, 0.31),
        ("AU06", 0.07, 0.11),
        ("AU04", 0.05, -0.16),
        ("AU25", 0.09, 0),
    ):
        arousal_sums[COLUMNS.index(f"{unit}_mean")] += arousal
        valence_sums[COLUMNS.index(f"{unit}_mean")] += valence
    return Attribution(
        features=COLUMNS,
        lags_s=lags_s,
        arousal=arousal_sums[:, None] * shape,
        valence=valence_sums[:, None] * shape,
        arousal_by_feature=arousal_sums,
        valence_by_feature=valence_sums,
        arousal_baseline=-0.2,
        moments=(
            Moment("arousal", "AU25_mean", 1.0, 4.2, 0.09),
            Moment("valence", "AU12_mean", 2.0, 4.0, 0.31),
            Moment("valence", "AU04_mean", 5.0, 8.4, -0.16),
        ),
    )
