"""What the 17 action units and the 37 inputs are called in plots and tables."""

from __future__ import annotations

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
_OTHERS = {"confidence": "face confidence", "turn": "person speaks"}
_STATISTICS = {"mean": "level", "deviation": "movement"}


def unit_in_words(unit: str) -> str:
    """Such as 'AU12 lip corner puller'; an unknown unit is called as it is."""
    return f"{unit} {_NAMES[unit]}" if unit in _NAMES else unit


def feature_in_words(feature: str) -> str:
    """Such as 'AU12 lip corner puller, movement' for 'AU12_deviation'."""
    signal, _, statistic = feature.partition("_")
    words = _OTHERS.get(signal) or unit_in_words(signal)
    return f"{words}, {_STATISTICS[statistic]}" if statistic in _STATISTICS else words
