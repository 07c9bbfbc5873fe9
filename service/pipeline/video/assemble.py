"""The answer about a face, whatever it comes from: an upload, a table or the parts of a job.

A face's series and the speaker turn become the affect model's features; those give arousal, valence and what moved
them; the flags of every stage and the model's own go along.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.affect.columns import SIGNALS
from service.pipeline.affect.functionals import EDGE_TOLERANCE_S, AffectFeatures, speaker_turn
from service.pipeline.affect.model import TARGETS, AffectModel
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_on_device
from service.pipeline.device.task import Work
from service.pipeline.face.face_series import SeenFace
from service.pipeline.face.looks import ExpressionColumns, ExpressionSeries
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import AudioEmotion, FlagSpan, FloatArray, MediaInfo, ModelReference
from service.pipeline.video.video_results import Statistics, VideoAffect


@dataclass(frozen=True)
class SpeakerTurn:
    """The steps at which somebody speaks.

    Attributes:
        steps: float64 [steps], 1 where somebody speaks, else 0; None where nothing is known.
        flags: the reason for None, of 'no_audio', 'audio_unusable' and 'no_voice_activity'.
        gaps: when the file has no sound, with the flag 'sound_gap'.
    """

    steps: NDArray[np.float64] | None
    flags: tuple[str, ...] = ()
    gaps: tuple[FlagSpan, ...] = ()

    @classmethod
    def heard(
        cls,
        tracks: list[NDArray[np.float64]],
        grid_s: NDArray[np.float64],
        step_s: float,
        spans: Iterable[FlagSpan],
    ) -> "SpeakerTurn":
        """The turn in a sound that was listened to; arguments as :func:`speaker_turn`.

        Args:
            tracks: speech of each channel, one or more.
            grid_s: float64 [steps], centres of the steps.
            step_s: seconds of a step of ``tracks``.
            spans: remarks on the sound, of which the gaps are kept.
        """
        gaps = tuple(span for span in spans if span.flag == Flag.SOUND_GAP)
        return cls(speaker_turn(tracks, grid_s, step_s), gaps=gaps)

    def told(self, grid_s: NDArray[np.float64], duration_s: float) -> FloatArray | None:
        """The steps as they are told, float32 [steps]: NaN for those that lie wholly in a gap.

        Args:
            grid_s: float64 [steps], centres of the steps.
            duration_s: end of the recording.
        """
        if self.steps is None:
            return None
        half_s = (grid_s[1] - grid_s[0]) / 2 if len(grid_s) > 1 else 0.0
        begins_s = np.maximum(grid_s - half_s, 0.0) + EDGE_TOLERANCE_S
        ends_s = np.minimum(grid_s + half_s, duration_s) - EDGE_TOLERANCE_S
        told = self.steps.astype(np.float32)
        for gap in self.gaps:
            told[(begins_s >= gap.start_s) & (ends_s <= gap.end_s)] = np.nan
        return told

    @property
    def has_sound(self) -> bool:
        """Whether the recording may have a sound track that can be judged."""
        return not {Flag.NO_AUDIO, Flag.AUDIO_UNUSABLE} & set(self.flags)


@dataclass(frozen=True)
class Recording:
    """The part of a recording that all of its faces share.

    Attributes:
        media: what was found in the container.
        models: the weights that were used so far, by part.
        flags: remarks on the pictures.
        turn: where somebody speaks.
        audio: emotion of the sound track; None unless asked for, or without a sound track.
        audio_flags: remarks on the sound that only the emotion's search for it found.
        expression: what the network tells that looks at faces; None where none does.
    """

    media: MediaInfo
    models: Mapping[str, ModelReference]
    flags: tuple[str, ...]
    turn: SpeakerTurn
    audio: AudioEmotion | None = None
    audio_flags: tuple[str, ...] = ()
    expression: ExpressionColumns | None = None


def assemble(
    face: SeenFace,
    recording: Recording,
    model: AffectModel,
    reference: ModelReference,
    include: frozenset[str],
    device: Batcher,
    work: Work,
) -> VideoAffect:
    """Judge a face and put the answer together.

    Args:
        face: its series and remarks.
        recording: the rest of the recording.
        model: the affect model.
        reference: names ``model``.
        include: parts that were asked for, of ``INCLUDES``.
        device: runs the model.
        work: the request; told 'affect', the seconds that the model took.

    Raises:
        Problem: the device's.
        Cancelled: the work was cancelled.
    """
    turn = recording.turn
    with work.stage("affect"):
        features = model.features(face.series, turn=turn.steps, duration_s=recording.media.duration_s)
        series = run_on_device(device, lambda: model.series(features), work)
        attribution = model.attribution(features) if "attribution" in include else None
    unexplained = "attribution" in include and attribution is None and bool(features.tracked.any())
    own = [*([Flag.NO_ATTRIBUTION] if unexplained else []), *([] if model.tells_both else [Flag.ONE_TARGET])]
    own += [Flag.PRIOR] if model.trained == "prior" else []
    seen_at_s = face.series.time_s[face.series.tracked]
    spans = _unseen(features, face.number, recording.media.duration_s)
    lost = dict.fromkeys(span.flag for span in spans)
    gaps = dict.fromkeys(gap.flag for gap in turn.gaps)
    flags = [*recording.flags, *lost, *face.flags, *turn.flags, *gaps, *recording.audio_flags, *own]
    return VideoAffect(
        media=recording.media,
        models={**recording.models, "affect": reference},
        time_s=features.time_s,
        arousal=series["arousal"],
        valence=series["valence"],
        arousal_uncertainty=series.get("arousal_uncertainty"),
        valence_uncertainty=series.get("valence_uncertainty"),
        face_confidence=features.face_confidence,
        speech=turn.told(features.time_s, recording.media.duration_s),
        action_units=_mean_units(features) if "action_units" in include else None,
        action_unit_names=ACTION_UNITS,
        attribution=attribution,
        audio=recording.audio,
        summary=_summarise(series),
        flags=tuple(dict.fromkeys(flags)),
        boxes=_boxes(face, features) if "boxes" in include else None,
        frames=face.series if "frame_units" in include else None,
        expression=_expression(face, recording, features) if "expression" in include else None,
        flag_spans=(*spans, *turn.gaps),
        face=face.number,
        seen_s=(float(seen_at_s[0]), float(seen_at_s[-1])) if len(seen_at_s) else None,
        trained=model.trained,
        look_ahead_s=model.look_ahead_s,
        neutral=face.neutral,
        stages_s=work.stages_s,
    )


def _unseen(features: AffectFeatures, face: int | None, duration_s: float) -> list[FlagSpan]:
    """When 'face_lost' holds, or 'no_face' where no moment is known: every null value lies in one of the spans."""
    if not features.tracked.any():
        return [FlagSpan(Flag.NO_FACE, 0.0, duration_s)]
    return [FlagSpan(Flag.FACE_LOST, float(begin_s), float(end_s), face=face) for begin_s, end_s in features.losses_s]


def _expression(face: SeenFace, recording: Recording, features: AffectFeatures) -> ExpressionSeries | None:
    """The network's numbers at each step; None where none looks."""
    if recording.expression is None:
        return None
    return ExpressionSeries.of(recording.expression, face.looks, features.time_s, features.tracked > 0)


def _boxes(face: SeenFace, features: AffectFeatures) -> FloatArray | None:
    """The box at each step, between those of the frames around it, float32 [steps, 4]; NaN where no face is known."""
    if face.boxes is None:
        return None
    boxes = np.full((len(features.time_s), face.boxes.shape[1]), np.nan, np.float32)
    seen, known = face.series.tracked, features.tracked > 0
    if seen.any():
        for side in range(face.boxes.shape[1]):
            boxes[known, side] = np.interp(features.time_s[known], face.series.time_s[seen], face.boxes[seen, side])
    return boxes


def _summarise(series: Mapping[str, FloatArray]) -> dict[str, Statistics]:
    """Statistics of the known values of each target; a target without any is absent."""
    summary = {}
    for name in TARGETS:
        values = series[name]
        known = values[np.isfinite(values)].astype(np.float64)
        if known.size:
            summary[name] = Statistics(float(known.mean()), float(known.std()), float(known.min()), float(known.max()))
    return summary


def _mean_units(features: AffectFeatures) -> FloatArray:
    """Means of the action units over each window, float32 [steps, 17]; NaN where no face is known."""
    means = features.columns[:, 1 : len(SIGNALS)]
    return np.where(features.tracked[:, None] > 0, means, np.float32(np.nan))
