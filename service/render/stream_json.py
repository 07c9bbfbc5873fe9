"""Members of messages about single windows and rows, sent before the whole answer."""

from collections.abc import Sequence

from service.pipeline.results import JudgedSegment, JudgedWindow
from service.pipeline.speech.plausible import most_probable
from service.render.audio_json import PROBABILITY_DECIMALS, SECONDS_DECIMALS, plain_number, segments_columns
from service.render.channels import plain_values


def window_members(window: JudgedWindow, labels: Sequence[str]) -> dict[str, object]:
    """Members of one window: the numbers of its row in the timeline, with the same rounding."""
    known = window.probabilities
    shares = None if known is None else dict(zip(labels, plain_values(known, PROBABILITY_DECIMALS), strict=True))
    return {
        "index": window.index,
        "start_s": round(window.start_s, SECONDS_DECIMALS),
        "end_s": round(window.end_s, SECONDS_DECIMALS),
        "probabilities": shares,
        "by_label": shares,
        "emotion": most_probable(known, labels),
        "arousal": plain_number(window.arousal),
        "valence": plain_number(window.valence),
        **({} if window.dominance is None else {"dominance": plain_number(window.dominance)}),
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
    known = {label: values[0] for label, values in shares.items()} if members["emotion"] is not None else None
    return {
        "index": segment.index,
        "probabilities": known,
        "by_label": known,
        **members,
    }
