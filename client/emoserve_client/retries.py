"""Rules for repeating a request: how often, and after how many seconds."""

import email.utils
import random
import time
from dataclasses import dataclass

import httpx

RETRIED_STATUS = frozenset({429, 503})
RETRIED_FAILURES = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.RemoteProtocolError,
    httpx.WriteError,
)


@dataclass(frozen=True)
class Retries:
    """Number of attempts and length of pauses.

    Attributes:
        attempts: most attempts of one request, the first included.
        longest_s: most seconds of waiting in all; a longer ``Retry-After`` ends the attempts at once.
        first_pause_s: upper bound of the first pause without ``Retry-After``; it doubles each time.
    """

    attempts: int = 4
    longest_s: float = 60.0
    first_pause_s: float = 0.5

    def pause_s(self, attempt: int, waited_s: float, retry_after_s: float | None) -> float | None:
        """Seconds to wait after the ``attempt``-th attempt (from 1) failed, or None to give up.

        Args:
            attempt: number of attempts made so far.
            waited_s: seconds waited so far.
            retry_after_s: seconds that the service asks to wait, or None.
        """
        if attempt >= self.attempts:
            return None
        if retry_after_s is None:
            pause_s = random.uniform(0.0, self.first_pause_s * 2 ** (attempt - 1))
        else:
            pause_s = retry_after_s + random.uniform(0.0, 0.1)  # spreads out clients that were refused together
        return pause_s if waited_s + pause_s <= self.longest_s else None


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds in the header ``Retry-After``, a number or a date; None without a valid one."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
