"""What both clients tell httpx, and what they make of its failures."""

from __future__ import annotations

import importlib.util
import ssl
from typing import Any

import httpx

from emoserve_client.problems import ServiceUnreachable

USER_AGENT = "emoserve-client/0.1.0"
CONNECT_TIMEOUT_S = 10.0


def client_options(base_url: str, api_key: str | None, timeout_s: float, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """Keyword arguments of httpx's clients; without ``tls`` the authorities of the package certifi are trusted."""
    authorization = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
    return {
        "base_url": base_url.rstrip("/"),
        "headers": {"user-agent": USER_AGENT, **authorization},
        "timeout": httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        "verify": True if tls is None else tls,
    }


def failure(error: httpx.HTTPError) -> ServiceUnreachable:
    """The failure as this package's exception, with httpx's as its cause."""
    unreachable = ServiceUnreachable(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    unreachable.__cause__ = error
    return unreachable


def require_websockets() -> None:
    """Say what is missing before anything of the live streams is imported.

    Raises:
        ImportError: the package is installed without its extra.
    """
    if importlib.util.find_spec("websockets") is None:
        raise ImportError("live streams need the package websockets: pip install 'emoserve-client[streams]'")


def is_ready(response: httpx.Response) -> bool:
    """What ``GET /v2/health/ready`` says."""
    return response.status_code == httpx.codes.OK
