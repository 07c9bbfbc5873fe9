"""Emotion names and their places in the plane of arousal and valence (C26)."""

import numpy as np
from numpy.typing import NDArray

AROUSAL_LEVELS = ("low", "high")
VALENCE_LEVELS = ("negative", "neutral", "positive")

_PLANE: dict[tuple[str, str], tuple[str, ...]] = {
    ("low", "negative"): (
        "contempt", "disappointment", "disgust", "frustration", "guilt", "hurt", "impatience", "irritation",
        "jealousy", "sadness", "shame", "unfriendliness", "worry",
    ),
    # RAVDESS's 'calm' is not in C26; it stands with 'rest'.
    ("low", "neutral"): ("boredom", "calm", "confusion", "neutral", "pondering", "rest", "sneakiness"),
    ("low", "positive"): ("admiration", "kindness", "pride", "relief", "tenderness"),
    ("high", "negative"): (
        "aggressiveness", "anger", "anxiety", "despair", "fear", "helplessness", "high-stress", "scream",
    ),
    ("high", "neutral"): (
        "emphatic", "interest", "intoxication", "medium-stress", "nervousness", "surprise",
    ),
    ("high", "positive"): (
        "amusement", "cheerfulness", "elation", "excitement", "happiness", "joking", "joy", "pleasure", "positive",
    ),
}  # fmt: skip

PLANE: dict[str, tuple[str, str]] = {name: levels for levels, names in _PLANE.items() for name in names}
"""Emotion name to (arousal level, valence level)."""


def arousal_matrix(labels: tuple[str, ...]) -> NDArray[np.float32]:
    """float32 [classes, 2]: row c is one-hot in the arousal level of class c."""
    return _one_hot([AROUSAL_LEVELS.index(PLANE[name][0]) for name in labels], len(AROUSAL_LEVELS))


def valence_matrix(labels: tuple[str, ...]) -> NDArray[np.float32]:
    """float32 [classes, 3]: row c is one-hot in the valence level of class c."""
    return _one_hot([VALENCE_LEVELS.index(PLANE[name][1]) for name in labels], len(VALENCE_LEVELS))


def _one_hot(columns: list[int], width: int) -> NDArray[np.float32]:
    return np.eye(width, dtype=np.float32)[columns]
