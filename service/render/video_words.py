"""Words of the plots and tables about faces: names of action units, notes and facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from service.render.plot_page import in_words
from service.render.plot_style import clock, signed

if TYPE_CHECKING:
    from service.pipeline.affect.attribution import Moment
    from service.pipeline.video.video_results import VideoAffect

# Names of the units in the Facial Action Coding System (Ekman, Friesen, Hager 2002).
_NAMES = {
    "AU01": "inner brow raiser",
    "AU02": "outer brow raiser",
    "AU04": "brow lowerer",
    "AU05": "upper lid raiser",
    "AU06": "cheek raiser",
    "AU07": "lid tightener",
    "AU09": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU45": "blink",
}
# What one sees of each, as a reason.
_SEEN = {
    "AU01": "inner brows raised",
    "AU02": "outer brows raised",
    "AU04": "brows lowered",
    "AU05": "eyes wide open",
    "AU06": "cheeks raised",
    "AU07": "eyes narrowed",
    "AU09": "nose wrinkled",
    "AU10": "upper lip raised",
    "AU12": "lip corners pulled up",
    "AU14": "dimples",
    "AU15": "lip corners pulled down",
    "AU17": "chin raised",
    "AU20": "lips stretched",
    "AU23": "lips tightened",
    "AU25": "lips apart",
    "AU26": "jaw dropped",
    "AU45": "eyes closed",
    "confidence": "face hard to see",
    "turn": "somebody speaks",
}
_OTHERS = {"confidence": "face confidence", "turn": "person speaks"}
_STATISTICS = {"mean": "level", "deviation": "movement"}


def unit_in_words(unit: str) -> str:
    """A unit with its name, such as 'AU12 lip corner puller'; unknown units stay as they are."""
    return f"{unit} {_NAMES[unit]}" if unit in _NAMES else unit


def feature_in_words(feature: str) -> str:
    """A feature in words, such as 'AU12 lip corner puller, movement' for 'AU12_deviation'."""
    signal, _, statistic = feature.partition("_")
    words = _OTHERS.get(signal) or unit_in_words(signal)
    return f"{words}, {_STATISTICS[statistic]}" if statistic in _STATISTICS else words


def seen_in_words(feature: str) -> str:
    """Name of what one sees of a feature, such as 'brows lowered' for 'AU04_mean'; unknown ones stay as they are."""
    signal, _, statistic = feature.partition("_")
    words = _SEEN.get(signal, feature)
    return f"{words}, on and off" if statistic == "deviation" else words


def moment_in_words(moment: Moment) -> str:
    """Such as 'brows lowered, from 0:12 to 0:15'."""
    start, end = clock(moment.start_s), clock(moment.end_s)
    return f"{seen_in_words(moment.feature)}, " + (f"at {start}" if start == end else f"from {start} to {end}")


PRIOR_NOTE = "Documented prior, not trained on continuous ratings; read changes within a recording; not a diagnosis."
TRAINED_NOTE = "Statistical estimates from the movement of the face; read changes within a recording; not a diagnosis."


def reading_note(result: VideoAffect) -> str:
    """Note on how to read the values."""
    return PRIOR_NOTE if result.trained == "prior" else TRAINED_NOTE


def footnotes(result: VideoAffect) -> tuple[str, str]:
    """The last two lines of a picture: the reading note and the model."""
    model = result.models.get("affect")
    return reading_note(result), "" if model is None else f"Model {in_words(model)}"


def facts_of(result: VideoAffect) -> list[str]:
    """Length, means, and share of the time with a known face."""
    duration_s = result.media.duration_s
    facts = [clock(duration_s, 1 if duration_s < 60 else 0)]
    if not result.summary:
        return [*facts, "no face found"]
    facts += [f"mean {name} {signed(statistics.mean)}" for name, statistics in result.summary.items()]
    known = np.isfinite(result.arousal) | np.isfinite(result.valence)
    facts.append(f"face known in {100 * float(known.mean()):.0f} % of the time")
    return facts
