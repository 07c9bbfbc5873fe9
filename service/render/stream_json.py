"""Members of messages about single windows and rows, sent before the whole answer."""

from collections.abc import Sequence

from service.pipeline.affect.live import AffectRows
from service.pipeline.results import JudgedSegment, JudgedWindow
from service.pipeline.speech.plausible import most_probable
from service.pipeline.video.video_results import VideoAffect
from service.render.audio_json import PROBABILITY_DECIMALS, SECONDS_DECIMALS, plain_number, segments_columns
from service.render.channels import plain_values


def window_members(window: JudgedWindow, labels: Sequence[str]) -> dict[str, object]:
    """Members of one window: the numbers of its row in the timeline, with the same rounding."""
    known = window.probabilities
    shares = None if known is None else plain_values(known, PROBABILITY_DECIMALS)
    return {
        "index": window.index,
        "start_s": round(window.start_s, SECONDS_DECIMALS),
        "end_s": round(window.end_s, SECONDS_DECIMALS),
        "probabilities": None if shares is None else dict(zip(labels, shares, strict=True)),
        "emotion": most_probable(known, labels),
        "arousal": plain_number(window.arousal),
        "valence": plain_number(window.valence),
        "speech": plain_number(window.speech),
        "confidence": plain_number(window.confidence),
        "plausible": None if window.plausible is None else list(window.plausible),
    }


def segment_members(segment: JudgedSegment, labels: Sequence[str]) -> dict[str, object]:
    """Members of one utterance: its row in the segments, with the same rounding."""
    columns = segments_columns(segment.row, tuple(labels))
    shares = columns.pop("probabilities")
    assert isinstance(shares, dict)
    members = {name: None if values is None else values[0] for name, values in columns.items()}
    known = members["emotion"] is not None
    return {
        "index": segment.index,
        "probabilities": {label: values[0] for label, values in shares.items()} if known else None,
        **members,
    }


def affect_members(rows: AffectRows | VideoAffect) -> dict[str, object]:
    """Columns of some or all rows of a timeline, rounded; None in place of NaN."""
    return {
        "time_s": plain_values(rows.time_s, SECONDS_DECIMALS),
        "arousal": plain_values(rows.arousal, PROBABILITY_DECIMALS),
        "valence": plain_values(rows.valence, PROBABILITY_DECIMALS),
        "face_confidence": plain_values(rows.face_confidence, PROBABILITY_DECIMALS),
    }
