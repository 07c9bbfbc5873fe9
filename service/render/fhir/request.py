"""The wishes of a caller for a bundle: its form, and the person, visit and time that the service cannot know."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from service.problems import Unprocessable

_ID: Final = r"[A-Za-z0-9.-]{1,64}"
_SERVER: Final = r"https?://[A-Za-z0-9.:-]{1,253}(?:/[A-Za-z0-9._~-]{1,64}){0,8}/"

SUBJECT: Final = re.compile(rf"(?:{_SERVER})?(?:Patient|Group)/{_ID}")
ENCOUNTER: Final = re.compile(rf"(?:{_SERVER})?Encounter/{_ID}")
"""Literal references (FHIR R4 and R5, section Reference), relative or absolute, of no particular version."""

EFFECTIVE: Final = re.compile(
    r"(?:19|20)[0-9]{2}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]))?)?)?"
)
"""FHIR's dateTime between 1900 and 2099: a year, a month, a day, or a moment with its time zone."""

IDENTIFIER: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,31}:[!-{}~]{1,200}\|)?[!-{}~]{1,200}")
"""FHIR's token SYSTEM|VALUE, or VALUE alone, in visible ASCII."""


@dataclass(frozen=True)
class FhirRequest:
    """How a bundle is made.

    Attributes:
        version: value of ``fhirVersion``.
        bundle: 'collection' to read, 'transaction' to send to a server.
        subject, encounter: references, as :data:`SUBJECT` and :data:`ENCOUNTER`.
        effective: when the recording began, as :data:`EFFECTIVE`.
        identifier: the caller's name for the analysed recording, as :data:`IDENTIFIER`.
        analysis: name of the analysis where there is no ``identifier``; None takes the request's id. It only seeds
            identifiers, from which it cannot be found.
        summary_only: whether values of the whole recording alone are told.
    """

    version: str = "4.0"
    bundle: Literal["collection", "transaction"] = "collection"
    subject: str | None = None
    encounter: str | None = None
    effective: str | None = None
    identifier: str | None = None
    analysis: str | None = None
    summary_only: bool = False


def check_subject(text: str) -> None:
    """Refuse what is no reference to a person or group. Raises Unprocessable with the pointer '/subject'."""
    if not SUBJECT.fullmatch(text):
        raise Unprocessable("subject must be Patient/ID or Group/ID, or an address that ends so.", pointer="/subject")


def check_encounter(text: str) -> None:
    """Refuse what is no reference to an encounter. Raises Unprocessable with the pointer '/encounter'."""
    if not ENCOUNTER.fullmatch(text):
        raise Unprocessable("encounter must be Encounter/ID, or an address that ends so.", pointer="/encounter")


def check_effective(text: str) -> None:
    """Refuse what is no time, or no day of the calendar. Raises Unprocessable with the pointer '/effective'."""
    try:
        if not EFFECTIVE.fullmatch(text):
            raise ValueError
        if len(text) >= len("2026-01-01"):
            datetime.fromisoformat(text)
    except ValueError:
        raise Unprocessable(
            "effective must be YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm "
            "(in an address, + is written %2B).",
            pointer="/effective",
        ) from None


def check_identifier(text: str) -> None:
    """Refuse what is no token. Raises Unprocessable with the pointer '/identifier'."""
    if not IDENTIFIER.fullmatch(text):
        raise Unprocessable("identifier must be SYSTEM|VALUE or VALUE, in visible ASCII.", pointer="/identifier")
