"""Notices of the end of a job: their signature, and what they say (standardwebhooks.com, version 1)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from emoserve_client.problems import EmoserveError

TOLERANCE_S = 300.0
"""Seconds that a notice may be older or younger than the clock says: an old one may be a recording of a true one."""

LEAST_SECRET_BYTES = 24
"""Shortest secret of the specification."""


class WebhookInvalid(EmoserveError):
    """A request that does not come from the service, or not now."""


@dataclass(frozen=True)
class Webhook:
    """A notice.

    Attributes:
        id: the same in every attempt, so that a notice which comes twice is told by it.
        type: such as 'job.succeeded'.
        job_id: of the job that has ended.
        state: its state.
    """

    id: str
    type: str
    job_id: str
    state: str


def read_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> Webhook:
    """Verify and read a notice; ignore it if its id has come before.

    Args:
        secret: one of the service's EMOSERVE_CALLBACK_SECRETS, 'whsec_…'.
        headers: of the request.
        body: its bytes, unchanged.
        tolerance_s: largest difference of its time from the clock.
        now_s: the clock, seconds since the Unix epoch; None reads it.

    Raises:
        WebhookInvalid: a header is missing, the signature is another, or the time is too far off.
        ValueError: the secret is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        name, sent, signatures = (given[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
        is_now = abs((time.time() if now_s is None else now_s) - int(sent)) <= tolerance_s
    except (KeyError, ValueError):
        raise WebhookInvalid("a header of the signature is missing or wrong") from None
    key = _key(secret)
    digest = hmac.new(key, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode()}".encode()
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures.split(" ")):
        raise WebhookInvalid("the signature is not of this secret and content")
    if not is_now:
        raise WebhookInvalid("the notice is too old, or from the future")
    document = json.loads(body)
    return Webhook(name, document["type"], document["data"]["id"], document["data"]["state"])


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < LEAST_SECRET_BYTES:  # an empty secret would take anybody's signature
        raise ValueError("the secret is none: it is 'whsec_' and base64")
    return key
