"""The JSON answer of ``POST /v1/audio/emotion``: columns made from whole arrays, no object per row."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from service.pipeline.prior import PriorUse
from service.pipeline.results import (
    AudioEmotion,
    ChannelEmotion,
    FlagSpan,
    FloatArray,
    MediaInfo,
    Plausible,
    ProfileUse,
    Segments,
    SpeakerEmotion,
    Timeline,
    Track,
    VoiceTrace,
)
from service.render.channels import has_channel_list, merged_channel, plain_values, top_labels

PROBABILITY_DECIMALS = 6
SECONDS_DECIMALS = 3
LEVEL_DECIMALS = 2
ACTIVITY_DECIMALS = 4


def audio_emotion_json(
    result: AudioEmotion, request_id: str, *, timeline: bool, segments: bool = False, voice_activity: bool = False
) -> dict[str, object]:
    """Render ``result``.

    Args:
        result: result of the speech pipeline.
        request_id: value of the response header ``X-Request-Id``.
        timeline, segments, voice_activity: which of these members to add, at the top and in each entry of ``channels``.

    Returns:
        A tree of dict, list, str, float, int and None; NaN becomes None. ``probabilities`` and ``emotion`` are None
        without speech; ``arousal`` and ``valence`` also where the model has no such output, and then their timeline
        column is None. ``dominance`` is there only where the model has it. Where each channel was requested there is
        ``channels``, and the top-level values are means over the channels with speech, window by window in the rows.
    """
    merged = merged_channel(result)

    def members(channel: ChannelEmotion) -> dict[str, object]:
        return channel_members(
            channel, result.labels, timeline=timeline, segments=segments, voice_activity=voice_activity
        )

    document: dict[str, object] = {
        "request_id": request_id,
        "media": media_members(result.media),
        "model": asdict(result.model),
        "labels": list(result.labels),
        "coverage": None if result.doubt is None else result.doubt.coverage,
        **members(merged),
        "flag_spans": spans_members(result.flag_spans),
    }
    if result.denoiser is not None:
        document["denoiser"] = asdict(result.denoiser)
    if result.profile is not None:
        document["profile"] = profile_members(result.profile)
    if result.prior is not None:
        document["prior"] = prior_members(result.prior)
    if result.domain is not None:
        document["domain"] = result.domain
    if result.speaker_model is not None:
        document["speaker_model"] = asdict(result.speaker_model)
    if has_channel_list(result):
        document["channels"] = [{"channel": channel.channel, **members(channel)} for channel in result.channels]
    return document


def profile_members(use: ProfileUse) -> dict[str, object]:
    """The profile that a voice was compared with."""
    rounded = {"speech_s": round(use.speech_s, SECONDS_DECIMALS), "weight": round(use.weight, PROBABILITY_DECIMALS)}
    return asdict(use) | rounded


def prior_members(use: PriorUse) -> dict[str, object]:
    """The prior that took the place of the model's own."""
    shares = {label: round(share, PROBABILITY_DECIMALS) for label, share in use.by_label.items()}
    return {"source": use.source, "by_label": shares}


def media_members(media: MediaInfo) -> dict[str, object]:
    """Facts of the file; unknown ones, such as the picture size of a sound file, are left out."""
    members: dict[str, object] = {
        "duration_s": round(media.duration_s, SECONDS_DECIMALS),
        "sample_rate_hz": media.sample_rate_hz,
        "channels": media.channels,
        "container": media.container,
        "codec": media.codec,
        "frame_rate_hz": None if media.frame_rate_hz is None else round(media.frame_rate_hz, SECONDS_DECIMALS),
        "width": media.width,
        "height": media.height,
        "offset_s": None if media.offset_s is None else round(media.offset_s, SECONDS_DECIMALS),
    }
    if media.tracks:
        members["tracks"] = [_track_members(track) for track in media.tracks]
    return {name: value for name, value in members.items() if value is not None}


def _track_members(track: Track) -> dict[str, object]:
    times_s = {"start_s": track.start_s, "end_s": track.end_s}
    rounded = {name: None if time_s is None else round(time_s, SECONDS_DECIMALS) for name, time_s in times_s.items()}
    return asdict(track) | rounded


def spans_members(spans: Iterable[FlagSpan]) -> list[dict[str, object]]:
    """When flags hold."""
    return [
        asdict(span) | {"start_s": round(span.start_s, SECONDS_DECIMALS), "end_s": round(span.end_s, SECONDS_DECIMALS)}
        for span in spans
    ]


def channel_members(
    channel: ChannelEmotion,
    labels: tuple[str, ...],
    *,
    timeline: bool,
    segments: bool = False,
    voice_activity: bool = False,
) -> dict[str, object]:
    """Members of one channel; None in place of NaN."""
    answer: dict[str, object] = {
        "probabilities": None
        if channel.probabilities is None
        else plain_values(channel.probabilities, PROBABILITY_DECIMALS),
        **_judgement(channel, labels),
    }
    if channel.timeline.dominance is not None:
        answer["dominance"] = plain_number(channel.dominance)
    if timeline:
        answer["timeline"] = row_columns(channel.timeline, labels)
    if segments:
        answer["segments"] = None if channel.segments is None else segments_columns(channel.segments, labels)
    if voice_activity:
        answer["voice_activity"] = None if channel.voice_activity is None else _voice_activity(channel.voice_activity)
    if channel.speakers is not None and channel.turns is not None:
        answer["speakers"] = [_speaker(one, labels) for one in channel.speakers]
        answer["turns"] = {
            "start_s": plain_values(channel.turns.start_s, SECONDS_DECIMALS),
            "end_s": plain_values(channel.turns.end_s, SECONDS_DECIMALS),
            "speaker": list(channel.turns.speaker),
        }
    answer["flags"] = list(channel.flags)
    return answer


def _judgement(judged: ChannelEmotion | SpeakerEmotion, labels: tuple[str, ...]) -> dict[str, object]:
    """The judgement of a channel, or of one voice in it."""
    known = judged.probabilities
    return {
        "by_label": None
        if known is None
        else dict(zip(labels, plain_values(known, PROBABILITY_DECIMALS), strict=True)),
        "emotion": judged.emotion,
        "plausible": None if judged.plausible is None else list(judged.plausible),
        "arousal": plain_number(judged.arousal),
        "valence": plain_number(judged.valence),
    }


def _speaker(one: SpeakerEmotion, labels: tuple[str, ...]) -> dict[str, object]:
    heard = {"speaker": one.speaker, "speech_s": round(one.speech_s, SECONDS_DECIMALS)}
    dominance = {} if one.dominance is None else {"dominance": plain_number(one.dominance)}
    return {**heard, **_judgement(one, labels), **dominance}


def plain_number(value: float | None) -> float | None:
    """``value`` rounded for JSON; None for NaN."""
    if value is None or not np.isfinite(value):
        return None
    return round(float(value), PROBABILITY_DECIMALS)


def row_columns(rows: Timeline | Segments, labels: tuple[str, ...]) -> dict[str, Any]:
    """Columns of windows or utterances: lists by name; a column that the model has not is None."""

    def column(values: FloatArray | None) -> list[float | None] | None:
        return None if values is None else plain_values(values, PROBABILITY_DECIMALS)

    shares = {label: column(rows.probabilities[:, index]) for index, label in enumerate(labels)}
    dominance = {} if rows.dominance is None else {"dominance": column(rows.dominance)}
    return {
        "start_s": plain_values(rows.start_s, SECONDS_DECIMALS),
        "end_s": plain_values(rows.end_s, SECONDS_DECIMALS),
        "probabilities": shares,
        "arousal": column(rows.arousal),
        "valence": column(rows.valence),
        "speech": column(rows.speech),
        "confidence": column(rows.confidence),
        "plausible": plausible_column(rows.plausible),
        **dominance,
    }


def segments_columns(segments: Segments, labels: tuple[str, ...]) -> dict[str, Any]:
    """Columns of utterances: lists by name, ``probabilities`` by label; a column that the model has not is None."""
    speaker = {} if segments.speaker is None else {"speaker": list(segments.speaker)}
    return (
        row_columns(segments, labels)
        | speaker
        | {
            "emotion": top_labels(segments.probabilities, labels),
            "speech_level_db": plain_values(segments.speech_level_db, LEVEL_DECIMALS),
        }
    )


def plausible_column(sets: Sequence[Plausible] | None) -> list[list[str] | None] | None:
    """Plausible labels of each row as lists; None where the model tells nothing of its doubt."""
    return None if sets is None else [None if one is None else list(one) for one in sets]


def _voice_activity(trace: VoiceTrace) -> dict[str, object]:
    return {
        "start_s": round(trace.start_s, SECONDS_DECIMALS),
        "hop_s": round(trace.hop_s, PROBABILITY_DECIMALS),
        "probability": plain_values(trace.probabilities, ACTIVITY_DECIMALS),
    }
