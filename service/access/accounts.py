"""Use that each owner of credentials has made of their limits; beyond them the answer is 429."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.access.caller import ANONYMOUS, Caller
from service.pipeline.device.rate import LEAST_RETRY_S, LONGEST_RETRY_S
from service.problems import RateLimited
from service.settings import KeyLimits

MAX_IDLE_ACCOUNTS = 10_000
"""Most idle accounts kept; beyond it the longest idle are forgotten, since tokens can have any number of subjects."""

NEWEST_SHARE = 0.2
"""Weight of the newest request in the average duration."""

JOBS_SHARE = 0.5
"""Share of an owner's media allowance reserved for requests; jobs get the same share of refills."""

LONGEST_INFLOW_S = 2.0
"""Most seconds of its share that a job takes at once, and so the longest wait that it causes a request."""


class TokenBucket:
    """Allowance per minute. A full bucket holds one minute's. Not thread-safe.

    A cost above a whole minute's allowance is permitted when the bucket is full, and leaves a debt; otherwise it could
    never be permitted. The average holds all the same.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = per_minute
        self._at = clock()

    @property
    def level(self) -> float:
        """Rest of the allowance; below 0 is debt."""
        now = self._clock()
        self._level = min(self.per_minute, self._level + (now - self._at) * self.per_minute / 60)
        self._at = now
        return self._level

    def wait_s(self, amount: float) -> float:
        """Seconds until ``amount`` may be spent; 0 if now."""
        return max(min(amount, self.per_minute) - self.level, 0.0) * 60 / self.per_minute

    def spend(self, amount: float) -> None:
        """Use ``amount``, whether it is there or not; a negative one is given back."""
        self._level = self.level - amount

    @property
    def full_in_s(self) -> float:
        """Seconds until nothing of the allowance is missing."""
        return self.wait_s(self.per_minute)


class LimitedAccount:
    """One owner's account. Thread-safe. A limit of None is no limit."""

    def __init__(self, name: str, limits: KeyLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way = 0
        self._recordings = 0
        self._media_s = 0.0
        self._typical_s = 0.0
        self.limits = limits
        per_minute = limits.requests_per_minute
        self._requests = None if per_minute is None else TokenBucket(per_minute, clock)
        media_s = limits.media_s_per_minute
        self._media = None if media_s is None else TokenBucket(media_s, clock)
        self._collected_at = clock()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing of the allowances is missing."""
        with self._lock:
            buckets = [bucket for bucket in (self._requests, self._media) if bucket is not None]
            busy = self._under_way or self._recordings
            return not busy and all(bucket.full_in_s == 0 for bucket in buckets)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request for the length of a ``with`` block.

        Raises:
            RateLimited: too many a minute or at once, or the minute's media is used up already.
        """
        self._begin()
        began_at = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                share = NEWEST_SHARE if self._typical_s else 1.0
                self._typical_s += share * (self._clock() - began_at - self._typical_s)

    def take(self, seconds: float) -> None:
        """See :class:`service.pipeline.device.account.Account`."""
        with self._lock:
            self._refuse_over_media(seconds, self._recordings)
            self._refuse_until(self._media, seconds, "seconds of media a minute")
            self._recordings += 1
            self._add(seconds)

    def resize(self, before_s: float, after_s: float) -> None:
        """See :class:`service.pipeline.device.account.Account`. The minute's allowance may go into debt."""
        with self._lock:
            if after_s > before_s:
                self._refuse_over_media(after_s - before_s, self._recordings - 1)
            self._add(after_s - before_s)

    def give_back(self, seconds: float, *, unused: bool = False) -> None:
        """See :class:`service.pipeline.device.account.Account`."""
        with self._lock:
            self._recordings -= 1
            self._media_s = self._media_s - seconds if self._recordings else 0.0
            if unused and self._media is not None:
                self._media.spend(-seconds)

    def collect(self, seconds: float) -> float:
        """Take up to ``seconds`` of the minute's media for a job, which can wait, and tell how many.

        That is all beyond :data:`JOBS_SHARE` of the allowance, or that share of what has flowed in since: so neither
        a job nor the requests of the same owner can use all of it up.
        """
        with self._lock:
            if self._media is None:
                return seconds
            now = self._clock()
            inflow_s, self._collected_at = min(now - self._collected_at, LONGEST_INFLOW_S), now
            level, whole = self._media.level, self._media.per_minute
            if level <= 0:
                return 0.0
            taken = min(seconds, max(level - (1 - JOBS_SHARE) * whole, JOBS_SHARE * whole / 60 * inflow_s))
            self._media.spend(taken)
            return taken

    def headers(self) -> dict[str, str]:
        """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers) of the minutes' allowances."""
        with self._lock:
            buckets = {"requests": self._requests, "media-seconds": self._media}
            given = {name: bucket for name, bucket in buckets.items() if bucket is not None}
            if not given:
                return {}
            left = [
                f'"{name}";r={max(0, math.floor(bucket.level))};t={math.ceil(bucket.full_in_s)}'
                for name, bucket in given.items()
            ]
            policy = [f'"{name}";q={math.floor(bucket.per_minute)};w=60' for name, bucket in given.items()]
            return {"RateLimit": ", ".join(left), "RateLimit-Policy": ", ".join(policy)}

    def _begin(self) -> None:
        with self._lock:
            most = self.limits.concurrent_requests
            if most is not None and self._under_way >= most:
                raise RateLimited(
                    f"These credentials may have {most} requests under way at once.", retry_after_s=self._turn_s()
                )
            self._refuse_until(self._media, 0.0, "seconds of media a minute")
            self._refuse_until(self._requests, 1.0, "requests a minute")
            if self._requests is not None:
                self._requests.spend(1.0)
            self._under_way += 1

    def _add(self, seconds: float) -> None:
        self._media_s += seconds
        if self._media is not None:
            self._media.spend(seconds)

    def _refuse_over_media(self, seconds: float, others: int) -> None:
        """A recording longer than the whole limit is permitted when it is alone, as the service's own is."""
        most_s = self.limits.media_s
        if most_s is not None and others and self._media_s + seconds > most_s:
            detail = f"These credentials may have {most_s:g} seconds of media in the system at once."
            raise RateLimited(detail, retry_after_s=self._turn_s())

    @staticmethod
    def _refuse_until(bucket: TokenBucket | None, amount: float, of_what: str) -> None:
        wait_s = 0.0 if bucket is None else bucket.wait_s(amount)
        if bucket is not None and wait_s > 0:
            raise RateLimited(f"These credentials may use {bucket.per_minute:g} {of_what}.", retry_after_s=wait_s)

    def _turn_s(self) -> float:
        """When one of the requests under way should be over, by how long they took of late."""
        return min(max(self._typical_s / max(self._under_way, 1), LEAST_RETRY_S), LONGEST_RETRY_S)


class Accounts:
    """The accounts of all owners. Thread-safe.

    Args:
        limits: for credentials that have none of their own.
    """

    def __init__(self, limits: KeyLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._accounts: OrderedDict[tuple[str, KeyLimits], LimitedAccount] = OrderedDict()

    def of(self, caller: Caller) -> LimitedAccount | None:
        """The account that ``caller`` shares with all credentials of the same owner and limits.

        None for ANONYMOUS: where there are no credentials, nobody is told apart.
        """
        return None if caller is ANONYMOUS else self.owned_by(caller.owner, caller.limits)

    def owned_by(self, owner: str, limits: KeyLimits | None) -> LimitedAccount:
        """The account of an owner's credentials with ``limits`` of their own, or None for the usual ones."""
        key = (owner, limits or self._limits)
        with self._lock:
            account = self._accounts.get(key)
            if account is None:
                account = self._accounts[key] = LimitedAccount(*key)
                self._forget_idle()
            self._accounts.move_to_end(key)
            return account

    def _forget_idle(self) -> None:
        if len(self._accounts) > MAX_IDLE_ACCOUNTS:
            oldest = next(iter(self._accounts))
            if self._accounts[oldest].is_idle:
                del self._accounts[oldest]
            else:  # a stream of hours must not keep all that come after it
                self._accounts.move_to_end(oldest)
