"""Headers of every answer for browsers and caches."""

from types import MappingProxyType
from typing import Final

SECURITY_HEADERS: Final = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # The service's own page may record; nothing else of the device is anybody's business.
        "Permissions-Policy": "microphone=(self), camera=(self), geolocation=(), display-capture=(), usb=()",
    }
)

DEFAULT_CONTENT_SECURITY_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""Content security policy of answers that are no page; pages bring their own."""

_PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"

STRICT_TRANSPORT_SECURITY: Final = "max-age=31536000"
"""HSTS for one year, sent where the service itself speaks TLS; a proxy that ends TLS sets its own."""


def content_security_policy(media_type: str) -> str:
    """Policy of an answer that brings none: an SVG shows its own colours and images, and nothing in it runs."""
    return _PICTURE_POLICY if media_type.startswith("image/svg") else DEFAULT_CONTENT_SECURITY_POLICY
