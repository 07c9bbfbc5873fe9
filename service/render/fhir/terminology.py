"""The project's own codes as a CodeSystem and two ValueSets, which the service itself serves."""

from collections.abc import Iterator, Sequence

from service import __version__
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.render.fhir.bundle import validated
from service.render.fhir.findings import EXPRESSION, SOUND_TRACK, channel_place
from service.render.fhir.resources import CODE_SYSTEM, EMOTION_TITLE, LAST_WINDOW, RECORDING, Resource, uuid_identifier

CODES = "emoserve"
"""Id of the CodeSystem, and of the ValueSet of all its codes."""
EMOTIONS = "emoserve-emotions"
"""Id of the ValueSet of emotion classes."""
RESOURCES = (("CodeSystem", CODES), ("ValueSet", CODES), ("ValueSet", EMOTIONS))
"""Type and id of everything that is served."""

_Concept = tuple[str, ...]
"""A code, its display, and a further display that is as right."""


def terminology(kind: str, name: str, labels: Sequence[str], channels: Sequence[str], version: str) -> bytes:
    """One of :data:`RESOURCES` as JSON, UTF-8.

    Args:
        kind: type of the resource.
        name: its id.
        labels: emotion classes of the models that are served.
        channels: names of the channels that an answer can tell apart.
        version: one of :data:`service.render.fhir.bundle.RELEASES`.
    """
    common: Resource = {
        "resourceType": kind,
        "id": name,
        "url": CODE_SYSTEM if kind == "CodeSystem" else _value_set(name),
        "version": __version__,
        "name": "EmoserveEmotions" if name == EMOTIONS else "Emoserve",
        "title": "Emotion classes of Emoserve" if name == EMOTIONS else "Estimates of affect by Emoserve",
        "status": "active",
        "experimental": False,
    }
    if kind == "ValueSet":
        chosen = {"concept": [{"code": code} for code, *_ in _emotions(labels)]} if name == EMOTIONS else {}
        return validated(common | {"compose": {"include": [{"system": CODE_SYSTEM, **chosen}]}}, version)
    concepts = [*_quantities(labels, channels), ("emotion", EMOTION_TITLE), *_emotions(labels)]
    return validated(
        common
        | {
            "description": "Quantities that Emoserve estimates from voices and faces, and emotion classes. This "
            "fragment has every code of the models that this service has loaded; other models have other classes.",
            "caseSensitive": True,
            "valueSet": _value_set(CODES),
            "content": "fragment",
            "concept": [_concept(*concept) for concept in concepts],
        },
        version,
    )


def _concept(code: str, display: str, *others: str) -> Resource:
    further = {"designation": [{"value": other} for other in others]} if others else {}
    return {"code": code, "display": display, **further}


def _value_set(name: str) -> str:
    return str(uuid_identifier(f"{CODE_SYSTEM}/{name}")["value"])


def _emotions(labels: Sequence[str]) -> list[_Concept]:
    return [(f"emotion-{label}", label) for label in labels]


def _quantities(labels: Sequence[str], channels: Sequence[str]) -> Iterator[_Concept]:
    heard = {"arousal": "Arousal of the voice", "valence": "Valence of the voice"}
    heard["dominance"] = "Dominance of the voice"
    heard |= {f"probability-{label}": f"Probability of {label}" for label in labels}
    seen = {"arousal": "Arousal of the face", "valence": "Valence of the face"}
    for suffix, place in (("", ""), *map(channel_place, channels)):
        for code, title in heard.items():
            face = [seen[code]] if not suffix and code in seen else []
            yield from _with_endings(code + suffix, [title + place, *face], LAST_WINDOW)
            yield from _with_endings(SOUND_TRACK + code + suffix, [f"{title}{place}, sound track"], LAST_WINDOW)
    yield "face-confidence", "Confidence of the face detection"
    for unit in ACTION_UNITS:
        words = f"Intensity of action unit {unit[2:]}"
        yield from _with_endings(f"action-unit-{unit[2:]}", [words])
        yield from _with_endings(f"{EXPRESSION}-action-unit-{unit[2:]}", [f"{words}, by a published network"])
    for code, title in seen.items():
        yield from _with_endings(f"{EXPRESSION}-{code}", [f"{title}, by a published network"])
    for label in labels:
        yield from _with_endings(f"{EXPRESSION}-probability-{label}", [f"Probability of the expression {label}"])


def _with_endings(code: str, titles: list[str], *endings: str) -> Iterator[_Concept]:
    yield code, *titles
    for ending in (RECORDING, *endings):
        words = ending.replace("-", " ").strip() if ending != RECORDING else "whole recording"
        yield f"{code}{ending}", *(f"{title}, {words}" for title in titles)
