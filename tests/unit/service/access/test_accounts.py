"""Limits of one owner: what is counted, when it is refused, and that Retry-After is true."""

import pytest

from service.access.accounts import MAX_IDLE_ACCOUNTS, Accounts, LimitedAccount, TokenBucket
from service.access.caller import ANONYMOUS, Caller
from service.pipeline.device.account import charged_to
from service.pipeline.device.admit import Admission
from service.problems import CapacityExceeded, RateLimited
from service.settings import KeyLimits
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def account(clock: Clock, **limits: float) -> LimitedAccount:
    return LimitedAccount("clinic", KeyLimits(**limits), clock)


def test_a_bucket_refills_and_says_when(clock):
    bucket = TokenBucket(60, clock)
    bucket.spend(60)
    assert bucket.wait_s(1) == pytest.approx(1.0)
    clock.now += 0.5
    assert bucket.wait_s(1) == pytest.approx(0.5)
    clock.now += 1000
    assert bucket.level == 60
    assert bucket.full_in_s == 0


def test_what_is_larger_than_a_bucket_waits_for_a_full_one_and_leaves_a_debt(clock):
    bucket = TokenBucket(60, clock)
    assert bucket.wait_s(600) == 0
    bucket.spend(600)
    assert bucket.level == -540
    assert bucket.wait_s(1) == pytest.approx(541)


def test_requests_a_minute_and_an_honest_retry(clock):
    limited = account(clock, requests_per_minute=2)
    for _ in range(2):
        with limited.request():
            pass
    with pytest.raises(RateLimited) as caught, limited.request():
        pass
    assert caught.value.retry_after_s == pytest.approx(30)
    clock.now += caught.value.retry_after_s
    with limited.request():
        pass


def test_requests_at_once_and_a_retry_by_how_long_they_take(clock):
    limited = account(clock, concurrent_requests=1)
    with limited.request():
        clock.now += 8
    with limited.request(), pytest.raises(RateLimited) as caught, limited.request():
        pass
    assert caught.value.retry_after_s == pytest.approx(8)
    with limited.request():
        pass


def test_media_at_once(clock):
    limited = account(clock, media_s=10)
    limited.take(50)  # alone
    assert not limited.is_idle
    with pytest.raises(RateLimited):
        limited.take(1)
    limited.give_back(50)
    limited.take(4)
    limited.take(4)
    with pytest.raises(RateLimited):
        limited.resize(4, 7)
    limited.resize(4, 6)
    with pytest.raises(RateLimited):
        limited.take(1)
    limited.give_back(6)
    limited.take(1)


def test_media_a_minute_is_charged_by_true_length(clock):
    limited = account(clock, media_s_per_minute=60)
    limited.take(1)
    limited.resize(1, 120)
    limited.give_back(120)
    with pytest.raises(RateLimited) as caught, limited.request():
        pass
    assert caught.value.retry_after_s == pytest.approx(60)
    clock.now += 60
    with limited.request(), pytest.raises(RateLimited):
        limited.take(1)
    clock.now += 1
    limited.take(1)


def test_what_the_service_refuses_is_not_charged(clock):
    limited = account(clock, media_s_per_minute=60, media_s=60)
    admission = Admission(10.0)
    with admission.hold(10.0), charged_to(limited), pytest.raises(CapacityExceeded), admission.hold(5.0):
        pass
    assert limited.is_idle
    with charged_to(limited):
        with admission.hold(5.0) as hold:
            hold.resize(6.0)
            with admission.hold(2.0) as other, pytest.raises(CapacityExceeded):
                other.resize(9.0)
        assert not limited.is_idle
    clock.now += 9.0
    assert limited.is_idle


def test_a_job_and_requests_of_one_owner_share_a_minute(clock):
    limited = account(clock, media_s_per_minute=60)
    assert limited.collect(100.0) == 30.0  # what lies above half
    limited.take(30)
    limited.give_back(30)
    assert limited.collect(100.0) == 0.0
    taken_by_job = taken_by_requests = 0.0
    for _ in range(600):  # both want more than there is
        clock.now += 1.0
        taken_by_job += limited.collect(100.0)
        try:
            limited.take(0.4)
            limited.give_back(0.4)
            taken_by_requests += 0.4
        except RateLimited:
            pass
    assert 285 < taken_by_job < 345
    assert taken_by_requests > 0.4 * 600


def test_a_job_that_comes_late_never_takes_all_at_once(clock):
    limited = account(clock, media_s_per_minute=60)
    limited.take(60)
    limited.give_back(60)
    clock.now += 20.0
    assert limited.collect(100.0) == 1.0  # two seconds' share
    limited.take(19)


def test_a_job_collects_nothing_into_debt_and_everything_where_there_is_no_limit(clock):
    limited = account(clock, media_s_per_minute=60)
    limited.take(90)
    clock.now += 10.0
    assert limited.collect(5.0) == 0.0
    assert account(clock).collect(5.0) == 5.0


def test_headers_tell_what_is_left(clock):
    limited = account(clock, requests_per_minute=10, media_s_per_minute=600)
    with limited.request():
        limited.take(60)
    assert limited.headers() == {
        "RateLimit": '"requests";r=9;t=6, "media-seconds";r=540;t=6',
        "RateLimit-Policy": '"requests";q=10;w=60, "media-seconds";q=600;w=60',
    }
    assert account(clock, concurrent_requests=1).headers() == {}


def test_credentials_of_one_owner_share_an_account_and_limits_of_their_own_count():
    accounts = Accounts(KeyLimits(requests_per_minute=1))
    first, second = (Caller(name, "clinic", frozenset()) for name in ("old", "new"))
    own = Caller("big", "clinic", frozenset(), KeyLimits(requests_per_minute=9))
    assert accounts.of(first) is accounts.of(second)
    assert accounts.of(own) is not accounts.of(first)
    assert accounts.of(own).limits.requests_per_minute == 9
    assert accounts.of(ANONYMOUS) is None


def test_idle_accounts_are_forgotten(monkeypatch):
    monkeypatch.setattr("service.access.accounts.MAX_IDLE_ACCOUNTS", 10)
    assert MAX_IDLE_ACCOUNTS > 10
    accounts = Accounts(KeyLimits(requests_per_minute=1))
    busy = accounts.of(Caller("busy", "busy", frozenset()))
    with busy.request():
        for number in range(10):
            accounts.of(Caller("x", f"owner-{number}", frozenset()))
        assert len(accounts._accounts) == 11
        assert accounts.of(Caller("busy", "busy", frozenset())) is busy
        accounts.of(Caller("x", "last", frozenset()))
        assert len(accounts._accounts) == 11
        for number in range(100):
            accounts.of(Caller("x", f"other-{number}", frozenset()))
        assert len(accounts._accounts) < 30  # the busy one keeps no idle one
        assert accounts.of(Caller("busy", "busy", frozenset())) is busy
