"""Names of emotions as publishers write them, and as Emoserve does."""

from collections.abc import Sequence

from export.corpora.labels import PLANE
from export.published.folder import PublishedError

OTHER = "other"
"""Class of a model for what is none of its emotions."""

UNKNOWN = "unknown"
"""Class of a model for what its annotators could not tell."""

ALIASES = {
    "ang": "anger", "angry": "anger", "mad": "anger",
    "anx": "anxiety", "anxious": "anxiety",
    "bored": "boredom", "bor": "boredom",
    "cal": "calm", "calmness": "calm",
    "confused": "confusion",
    "dis": "disgust", "disgusted": "disgust",
    "exc": "excitement", "excited": "excitement",
    "fea": "fear", "fearful": "fear", "scared": "fear",
    "fru": "frustration", "frustrated": "frustration",
    "hap": "happiness", "happy": "happiness",
    "joyful": "joy",
    "neu": "neutral", "neutrality": "neutral",
    "others": OTHER, "oth": OTHER,
    "sad": "sadness",
    "sur": "surprise", "surprised": "surprise",
    "<unk>": UNKNOWN, "unk": UNKNOWN,
}  # fmt: skip
"""Publisher's name, in lower case, to ours. A short form that two emotions share, such as 'con', is left out."""


def mapped_labels(published: Sequence[str], chosen: Sequence[str] | None = None) -> list[str]:
    """Our names for a model's classes, in their order.

    Args:
        published: the publisher's; none of a model without classes.
        chosen: what the user calls them instead.

    Raises:
        PublishedError: a name is not known, two classes get one name, or there are no classes to be named.
    """
    if not published:
        if chosen is not None:
            raise PublishedError("--labels names classes, and this model has none")
        return []
    if chosen is not None and len(chosen) != len(published):
        raise PublishedError(f"--labels names {len(chosen)} classes, the model has {len(published)}: {published}")
    names = list(chosen or map(_ours, published))
    unknown = [old for old, new in zip(published, names, strict=True) if not new]
    if unknown:
        raise PublishedError(
            f"its classes {', '.join(unknown)} are no emotions that are known here: name all {len(published)} with "
            "--labels, in their order"
        )
    if len(set(names)) < len(names):
        raise PublishedError(f"two of its classes get one name: {', '.join(names)}; choose them with --labels")
    return names


def _ours(published: str) -> str:
    """Our name, or '' where there is none; of two languages divided by a slash either may be known."""
    for part in published.lower().split("/"):
        name = part.strip()
        name = ALIASES.get(name, name)
        if name in PLANE or name in (OTHER, UNKNOWN):
            return name
    return ""
