"""Attempts of one request: each failure gives the pause before the next attempt, or raises the final error."""

import httpx

from emoserve_client.connection import failure
from emoserve_client.problems import EmoserveError, problem_of
from emoserve_client.retries import RETRIED_FAILURES, RETRIED_STATUS, Retries, retry_after_s


class Attempts:
    """Counts the attempts of a request and the seconds waited between them.

    Args:
        retries: number of attempts and length of pauses.
        repeatable: whether the request can be sent again.
    """

    def __init__(self, retries: Retries, *, repeatable: bool) -> None:
        self._retries = retries
        self._repeatable = repeatable
        self._made = 0
        self._waited_s = 0.0

    def pause_after_failure(self, error: httpx.HTTPError) -> float:
        """Seconds to wait after a connection failed.

        Raises:
            ServiceUnreachable: no attempt is left, or the failure is not one to repeat after.
        """
        return self._pause(failure(error), isinstance(error, RETRIED_FAILURES), None)

    def pause_after_refusal(self, response: httpx.Response) -> float:
        """Seconds to wait after the service refused.

        Raises:
            Problem: no attempt is left, or the refusal is final.
        """
        after_s = retry_after_s(response)
        return self._pause(problem_of(response, after_s), response.status_code in RETRIED_STATUS, after_s)

    def pause_after(self, error: EmoserveError, *, may_pass: bool = True, after_s: float | None = None) -> float:
        """Seconds to wait after a live stream was refused or broke, or the events of a job broke.

        Args:
            error: the failure.
            may_pass: whether trying again could help.
            after_s: seconds that the service asks to wait, or None.

        Raises:
            EmoserveError: ``error``, if no attempt is left.
        """
        return self._pause(error, may_pass, after_s)

    def _pause(self, error: EmoserveError, may_pass: bool, after_s: float | None) -> float:
        self._made += 1
        pause_s = None
        if may_pass and self._repeatable:
            pause_s = self._retries.pause_s(self._made, self._waited_s, after_s)
        if pause_s is None:
            raise error
        self._waited_s += pause_s
        return pause_s
