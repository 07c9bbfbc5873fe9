"""The licence of a classifier: the strictest of its weights and its data."""

from collections.abc import Iterable

from service.card import Licence, TrainingData

PUBLIC_DOMAIN = ("CC0-1.0", "PDDL-1.0", "Unlicense", "0BSD")
PERMISSIVE = ("MIT", "BSD-", "Apache-2.0", "ISC", "CC-BY-3.0", "CC-BY-4.0", "ODC-By-1.0", "CDLA-Permissive")
SHARE_ALIKE = ("CC-BY-SA-", "ODbL-1.0")

NOT_STATED = "LicenseRef-not-stated"
"""Licence of data of which nothing is stated; it permits nothing commercial."""


def strictness(licence: Licence) -> int:
    """0 for the public domain, 1 permissive, 2 share-alike or unknown but commercial, 3 not commercial."""
    if not licence.commercial_use:
        return 3
    if licence.spdx.startswith(PUBLIC_DOMAIN):
        return 0
    return 1 if licence.spdx.startswith(PERMISSIVE) else 2


def data_licence(entry: TrainingData) -> Licence:
    """The licence of a data set; one that is not known to permit commercial use does not."""
    known = entry.licence.startswith((*PUBLIC_DOMAIN, *PERMISSIVE, *SHARE_ALIKE))
    named = entry.name + (f" ({entry.reference})" if entry.reference else "")
    return Licence(spdx=entry.licence, commercial_use=known, attribution=f"{named}: {entry.licence}")


def strictest(licences: Iterable[Licence]) -> Licence:
    """The strictest licence; several equally strict ones hold together; all attributions are kept."""
    found = list(licences)
    level = max(map(strictness, found))
    names = sorted({licence.spdx for licence in found if strictness(licence) == level})
    attributions = list(dict.fromkeys(licence.attribution for licence in found if licence.attribution))
    return Licence(spdx=" AND ".join(names), commercial_use=level < 3, attribution="; ".join(attributions))
