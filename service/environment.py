"""Names in the environment that look like settings and are none: a slip in one would quietly protect nothing."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from service.settings import KeyLimits, Limits, Settings

PREFIX: Final = "EMOSERVE_"

OF_OTHERS: Final = frozenset({"EMOSERVE_KEY", "EMOSERVE_SHARED", "EMOSERVE_MEDIAPIPE_WHEEL"})
"""What examples of clients, benchmarks and tests read."""

_MAY_BE_EMPTY: Final = frozenset({"EMOSERVE_ROOT_PATH"})


class EnvironmentInvalid(Exception):
    """A variable that cannot be meant as it stands; the message is one line for the operator."""


def known_names() -> frozenset[str]:
    """Every variable that is read, in capitals."""
    parts = {"": Settings.model_fields, "LIMITS__": Limits.model_fields, "KEY_LIMITS__": KeyLimits.model_fields}
    return frozenset(f"{PREFIX}{part}{name.upper()}" for part, fields in parts.items() for name in fields)


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse variables of ours that nobody reads, and empty ones, which are no value of any setting.

    Args:
        environment: such as ``os.environ``.

    Raises:
        EnvironmentInvalid: for the first of them in the alphabet.
    """
    known = known_names()
    for name in sorted(environment):
        setting = name.upper()
        if not setting.startswith(PREFIX) or setting in OF_OTHERS:
            continue
        if setting not in known:
            likely = get_close_matches(setting, known, n=1)
            raise EnvironmentInvalid(f"{name} is no setting{f'; {likely[0]} is' if likely else ''}")
        if not environment[name] and setting not in _MAY_BE_EMPTY:
            raise EnvironmentInvalid(f"{name} is empty: leave it out, or give it a value")
