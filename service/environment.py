"""Names in the environment that look like settings and are none: a slip in one would quietly protect nothing."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from service.settings import KeyLimits, Limits, Settings

PREFIX: Final = "EMOSERVE_"

OF_OTHERS: Final = frozenset({"EMOSERVE_KEY", "EMOSERVE_SHARED", "EMOSERVE_MEDIAPIPE_WHEEL"})
"""What examples of clients, benchmarks and tests read."""

LIKENESS: Final = 0.85
"""From which share of common letters on a name is taken for a misspelt one (difflib's ratio). Orchestrators make up
names of ours too: EMOSERVE_SERVICE_HOST is 0.76 of EMOSERVE_HOST."""

_MAY_BE_EMPTY: Final = frozenset({"EMOSERVE_ROOT_PATH"})


class EnvironmentInvalid(Exception):
    """A variable that cannot be meant as it stands; the message is one line for the operator."""


def known_names() -> frozenset[str]:
    """Every variable that is read, in capitals."""
    parts = {"": Settings.model_fields, "LIMITS__": Limits.model_fields, "KEY_LIMITS__": KeyLimits.model_fields}
    return frozenset(f"{PREFIX}{part}{name.upper()}" for part, fields in parts.items() for name in fields)


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse misspelt settings, and empty ones, which are no value of any setting.

    Args:
        environment: such as ``os.environ``.

    Raises:
        EnvironmentInvalid: for the first of them in the alphabet.
    """
    known = known_names()
    for name in unread_names(environment):
        likely = get_close_matches(name.upper(), known, n=1, cutoff=LIKENESS)
        if likely:
            raise EnvironmentInvalid(f"{name} is no setting; {likely[0]} is")
    for name in sorted(environment):
        if not environment[name] and name.upper() in known - _MAY_BE_EMPTY:
            raise EnvironmentInvalid(f"{name} is empty: leave it out, or give it a value")


def unread_names(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like ours and that nothing reads, in the order of the alphabet."""
    read = known_names() | OF_OTHERS
    return [name for name in sorted(environment) if name.upper().startswith(PREFIX) and name.upper() not in read]
