"""The answer about a face, put together from what the models say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.pipeline.affect.columns import ACTION_UNITS, SIGNALS
from service.pipeline.affect.functionals import AffectFeatures
from service.pipeline.affect.model import AffectModel, summarise
from service.pipeline.results import AudioEmotion, FloatArray, MediaInfo, ModelReference
from service.pipeline.video.sound_track import Turn
from service.pipeline.video.video_results import Attribution, VideoAffect


def affect_answer(
    media: MediaInfo,
    references: dict[str, ModelReference],
    features: AffectFeatures,
    model: AffectModel,
    series: dict[str, FloatArray],
    attribution: Attribution | None,
    include: frozenset[str],
    flags: Sequence[str],
    turn: Turn,
    audio: AudioEmotion | None,
    stages_s: dict[str, float],
) -> VideoAffect:
    """The answer.

    Args:
        media: of the upload.
        references: the models that took part, by what they did.
        features: what ``model`` was given.
        model: what gave ``series``.
        series: arousal and valence, float32 [steps], NaN where nothing is known.
        attribution: why, where it was asked for and can be told.
        include: what was asked for.
        flags: remarks so far; those of the model are added.
        turn: when the person speaks.
        audio: of the sound track.
        stages_s: seconds of each stage.
    """
    unexplained = "attribution" in include and attribution is None and bool(features.tracked.any())
    own = [*(["no_attribution"] if unexplained else []), *(["trained: prior"] if model.trained == "prior" else [])]
    return VideoAffect(
        media=media,
        models=references,
        time_s=features.time_s,
        arousal=series["arousal"],
        valence=series["valence"],
        face_confidence=features.columns[:, 0],
        speech=None if turn.turn is None else turn.turn.astype(np.float32),
        action_units=_mean_units(features) if "action_units" in include else None,
        action_unit_names=ACTION_UNITS,
        attribution=attribution,
        audio=audio,
        summary=summarise(series),
        flags=tuple(dict.fromkeys([*flags, *own])),
        trained=model.trained,
        look_ahead_s=model.look_ahead_s,
        stages_s=stages_s,
    )


def _mean_units(features: AffectFeatures) -> FloatArray:
    """Means of the action units over each window, float32 [steps, 17]; NaN where no face is known."""
    means = features.columns[:, 1 : len(SIGNALS)]
    return np.where(features.tracked[:, None] > 0, means, np.float32(np.nan))
