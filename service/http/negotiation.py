"""Choice of the answer's media type by the request's ``Accept`` (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from service.problems import NotAcceptable

JSON = "application/json"
CSV = "text/csv"
PNG = "image/png"
SVG = "image/svg+xml"
PDF = "application/pdf"
FHIR = "application/fhir+json"
EVENTS = "text/event-stream"
FHIR_VERSIONS = ("4.0", "4.3", "5.0")
"""Values of the media type's parameter ``fhirVersion``; the first where there is none."""

_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_MAX_RANGES = 64


@dataclass(frozen=True)
class MediaRange:
    """One entry of ``Accept``, such as ``text/*;q=0.5``."""

    kind: str
    subtype: str
    quality: float

    def specificity(self, media_type: str) -> int:
        """2 where the range names ``media_type`` itself, 1 for its kind, 0 for ``*/*``, −1 for no match."""
        kind, _, subtype = media_type.partition("/")
        if (self.kind, self.subtype) == (kind, subtype):
            return 2
        if (self.kind, self.subtype) == (kind, "*"):
            return 1
        return 0 if (self.kind, self.subtype) == ("*", "*") else -1


def choose_media_type(accept: str | None, offered: Sequence[str]) -> str:
    """The media type of ``offered`` (best first) that ``accept`` wants most; any where ``accept`` is None or empty.

    Raises:
        NotAcceptable: none of ``offered`` is acceptable.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = parse_accept(accept)
    best: tuple[float, int] = (0.0, -1)
    chosen: str | None = None
    for media_type in offered:
        preference = _preference(media_type, ranges)
        if preference[0] > 0 and preference > best:
            best, chosen = preference, media_type
    if chosen is None:
        raise NotAcceptable(f"This address answers with {', '.join(offered)}.")
    return chosen


def choose_fhir_version(accept: str) -> str:
    """The FHIR version that ``accept`` asks for, by the parameter ``fhirVersion`` of the media type.

    Raises:
        NotAcceptable: it cannot be produced.
    """
    for entry in accept.split(",")[:_MAX_RANGES]:
        media_range, *parameters = (part.strip() for part in entry.split(";"))
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if media_range.lower() == FHIR and name.strip().lower() == "fhirversion":
                version = value.strip().strip('"')
                if version not in FHIR_VERSIONS:
                    raise NotAcceptable(f"This address answers with fhirVersion {', '.join(FHIR_VERSIONS)}.")
                return version
    return FHIR_VERSIONS[0]


def parse_accept(accept: str) -> list[MediaRange]:
    """The entries of ``Accept`` without those that are malformed; of parameters only ``q`` counts."""
    ranges = []
    for entry in accept.split(",")[:_MAX_RANGES]:
        media_range, *parameters = (part.strip().lower() for part in entry.split(";"))
        kind, slash, subtype = media_range.partition("/")
        quality = _quality(parameters)
        if slash and kind and subtype and quality is not None and not (kind == "*" and subtype != "*"):
            ranges.append(MediaRange(kind, subtype, quality))
    return ranges


def _quality(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            value = value.strip()
            return float(value) if _QUALITY.fullmatch(value) else None
    return 1.0


def _preference(media_type: str, ranges: list[MediaRange]) -> tuple[float, int]:
    """Quality and specificity of the most specific range that matches; the first of equals."""
    best: tuple[float, int] = (0.0, -1)
    for candidate in ranges:
        specificity = candidate.specificity(media_type)
        if specificity > best[1]:
            best = (candidate.quality, specificity)
    return best
