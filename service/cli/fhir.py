"""Flags of ``emoserve analyze --format fhir``."""

import argparse
from typing import Final

from service.cli.terminal import UsageError, usage_errors
from service.local.judge import Choices
from service.render.fhir.request import FhirRequest

_PARAMETERS: Final = ("bundle", "subject", "encounter", "effective", "identifier", "summary_only")

FHIR_FLAGS: Final = (*_PARAMETERS, "fhir_version")
"""Flags of FHIR answers, by their names in Python."""

_OF_ONE: Final = ("effective", "identifier")
"""Flags that describe a single recording."""


def add_fhir_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that only ``--format fhir`` takes; :func:`fhir_from` checks them as query parameters."""
    group = parser.add_argument_group("FHIR", "for --format fhir")
    group.add_argument("--fhir-version", choices=["4.0", "4.3", "5.0"], help="release: R4 (the default), R4B or R5")
    group.add_argument("--bundle", metavar="TYPE", help="'collection' (the default), or 'transaction' for a server")
    group.add_argument("--subject", metavar="Patient/ID", help="the person, or a group")
    group.add_argument("--encounter", metavar="Encounter/ID", help="the visit")
    group.add_argument("--effective", metavar="TIME", help="when the recording began: a day, or a moment with its zone")
    group.add_argument("--identifier", metavar="SYSTEM|VALUE", help="your name of the recording, for resent bundles")
    group.add_argument("--summary-only", action="store_true", default=None, help="no series")


def fhir_from(arguments: argparse.Namespace, choices: Choices, *, several: bool) -> FhirRequest:
    """How bundles are made.

    Raises:
        UsageError: a flag that cannot be used, that is about one recording beside several, or without --format fhir.
    """
    given = {name: value for name in _PARAMETERS if (value := getattr(arguments, name)) is not None}
    if arguments.form != "fhir":
        if given or arguments.fhir_version:
            raise UsageError(f"--{next(iter(given), 'fhir_version').replace('_', '-')} needs --format fhir")
        return FhirRequest()
    from service.api.answer_query import FhirQuery
    from service.api.answers import refuse_what_cannot_be_carried, sound_parts
    from service.http.negotiation import FHIR

    if several and (single := [name for name in _OF_ONE if name in given]):
        raise UsageError(f"--{single[0]} is about one recording, and there are several")
    with usage_errors():
        refuse_what_cannot_be_carried(sound_parts(choices.audio) | choices.include, FHIR, arguments.face)
        return FhirQuery(**given).fhir(f"{FHIR}; fhirVersion={arguments.fhir_version or '4.0'}")
