"""Options that both clients pass to httpx, and the errors made from its failures."""

import importlib.util
import ssl
from typing import Any

import httpx

from emoserve_client.problems import ServiceUnreachable

USER_AGENT = "emoserve-client/0.1.0"
CONNECT_TIMEOUT_S = 10.0


def client_options(base_url: str, api_key: str | None, timeout_s: float, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """Keyword arguments of httpx's clients; without ``tls``, the authorities of the package certifi are trusted."""
    authorization = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
    return {
        "base_url": base_url.rstrip("/"),
        "headers": {"user-agent": USER_AGENT, **authorization},
        "timeout": httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        "verify": True if tls is None else tls,
    }


def failure(error: httpx.HTTPError) -> ServiceUnreachable:
    """Exception of this package for a failure of httpx, which becomes its cause."""
    unreachable = ServiceUnreachable(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    unreachable.__cause__ = error
    return unreachable


def require_websockets() -> None:
    """Check that live streams can be imported.

    Raises:
        ImportError: the package is installed without the extra 'streams'.
    """
    if importlib.util.find_spec("websockets") is None:
        raise ImportError("live streams need the package websockets: pip install 'emoserve-client[streams]'")


def is_ready(response: httpx.Response) -> bool:
    """Whether the answer of ``GET /v2/health/ready`` says that the service takes work."""
    return response.status_code == httpx.codes.OK
