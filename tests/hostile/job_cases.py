"""Inputs of the hostile table of jobs: ids, keys, event ids and bodies that cannot be."""

from tests.support.raw_http import END, FORM, part

IDS = {
    "of no job": "x" * 27,
    "short": "x" * 26,
    "long": "x" * 28,
    "20 KB": "x" * 20_000,
    "padding": "x" * 26 + "=",
    "other digits": "%D9%A1" * 27,
    "fullwidth letters": "%EF%BD%81" * 27,
    "no UTF-8": "%ff" * 27,
    "NUL": "x" * 26 + "%00",
    "line break": "x" * 26 + "%0a",
    "a line break after": "x" * 27 + "%0a",
    "path parts": "../../../../etc/passwd",
    "escaped dots": "%2e%2e",
    "escaped path parts": "%2e%2e%2f%2e%2e%2fjobs.sqlite",
    "escaped twice": "%252e%252e%252f",
    "a spool's file": "upload%00.txt",
    "SQL": "x'%20OR%201=1%20--",
    "template": "%7B%7B7*7%7D%7D",
    "nothing": "",
    "dot": ".",
    "star": "*",
}
"""In the place of a job's id, as the address has it."""

IDEMPOTENCY_KEYS: dict[str, list[bytes]] = {
    "empty": [b""],
    "spaces": [b"   "],
    "a space inside": [b"a b"],
    "256": [b"x" * 256],
    "10 KB": [b"x" * 10_000],
    "a tab": [b"a\tb"],
    "control characters": [b"a\x1bb"],
    "DEL": [b"a\x7fb"],
    "NUL": [b"a\0b"],
    "latin": [b"\xe9"],
    "UTF-8": ["ключ".encode()],
    "twice": [b"one", b"two"],
    "twice the same": [b"one", b"one"],
}
"""Values of ``Idempotency-Key``; two stand for two headers."""

EVENT_IDS = [
    "",
    "-1",
    "99999999999999999999999999999999",
    "1e400",
    "NaN",
    "text",
    "running-0.2500",
    "succeeded-0.9999",
    "succeeded-9.0000",
    "succeeded-",
    "succeeded-1.0000\x0b",
    "SUCCEEDED-1.0000",
    "succeeded-1.0000, succeeded-1.0000",
    "expired-1.0000",
    "x" * 8000,
    "\xe9" * 100,
]
"""Values of ``Last-Event-ID``."""

MULTIPART = part(b"").removesuffix(b"\r\n")
"""How a form begins; the recording follows."""

BROKEN_BODIES: dict[str, tuple[dict[str, str], bytes, int, str]] = {
    "empty": ({}, b"", 400, "body_missing"),
    "no boundary": ({"content-type": "multipart/form-data"}, MULTIPART, 400, "multipart_invalid"),
    "cut off": (FORM, MULTIPART + b"sound", 400, "multipart_truncated"),
    "no file": (FORM, part(name=b"other") + END, 400, "field_missing"),
    "two files": (FORM, part() * 2 + END, 400, "too_many_files"),
    "an empty file": (FORM, part(b"") + END, 422, "media_empty"),
    "compressed": ({"content-encoding": "gzip"}, b"\x1f\x8b", 415, "content_encoding_unsupported"),
    "a form": ({"content-type": "application/x-www-form-urlencoded"}, b"a=1", 415, "unsupported_content_type"),
}
"""Headers, body, and the status and code of the answer."""
