"""The page that sends a request, as its browser tells it: the service's own, or one of another site."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

EVERYBODY: Final = "*"
"""Entry of a list that permits all."""

_OWN_SITE = ("same-origin", "none")
"""Values of ``Sec-Fetch-Site`` of the service's own page and of the user's own typing."""


def is_foreign(sites: Sequence[str], origins: Sequence[str], host: str, permitted: Sequence[str]) -> bool:
    """Whether a page of another site sends a request.

    Args:
        sites: values of ``Sec-Fetch-Site``; old browsers send none, and none send it to plain-text services elsewhere.
        origins: values of ``Origin``; programs other than browsers send none.
        host: the request's ``Host``.
        permitted: the setting ``cors_origins``; '*' permits all.
    """
    if len(sites) > 1 or len(origins) > 1:
        return True
    if origins and (EVERYBODY in permitted or origins[0] in permitted):
        return False
    if sites and sites[0] not in _OWN_SITE:
        return True
    return bool(origins) and authority_of(origins[0]) != authority_of(f"//{host}") and list(sites) != ["same-origin"]


def authority_of(address: str) -> tuple[str | None, int | None]:
    """Host and port of an address: (None, None) where it has none; the ports of http and https are told as None."""
    try:
        parts = urlsplit(address)
        return parts.hostname, None if parts.port in (80, 443) else parts.port
    except ValueError:
        return None, None
