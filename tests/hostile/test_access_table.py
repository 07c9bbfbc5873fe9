"""Rows 37 to 39 of the table of hostile inputs: credentials that are missing, wrong, stale, misplaced or too weak."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path

import httpx
import pytest

from service.access.caller import required_scope
from service.settings import KeyLimits
from tests.support.credentials import AUDIENCE, ISSUER, Issuer, add_key, unsigned
from tests.support.live_server import LiveServer, exchange, serving, small_settings
from tests.support.patience import wait_until
from tests.support.raw_http import post

EMOTION = "/v1/audio/emotion"
OPEN = {"/v2/health/live", "/v2/health/ready"}


@dataclass(frozen=True)
class Protected:
    """A service that needs credentials, and some."""

    live: LiveServer
    client: httpx.Client
    key: str
    admin: str
    limited: str
    expired: str
    issuer: Issuer

    def post(self, credentials: str | None = None, path: str = EMOTION, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {credentials}"} if credentials is not None else {}
        return self.client.post(path, content=b"RIFF", headers=headers | more.pop("headers", {}), **more)


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protected]:
    folder: Path = tmp_path_factory.mktemp("access")
    keys, issuer = folder / "keys.json", Issuer()
    (folder / "jwks.json").write_text(json.dumps(issuer.key_set()))
    made = {
        "key": add_key(keys),
        "admin": add_key(keys, "admin", ("admin",)),
        "limited": add_key(keys, "limited", limits=KeyLimits(requests_per_minute=2, concurrent_requests=1)),
        "expired": add_key(keys, "expired", expires_at=datetime(2020, 1, 1, tzinfo=UTC)),
    }
    settings = small_settings(
        keys_file=keys, jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_keys_file=folder / "jwks.json"
    )
    with serving(settings) as live, httpx.Client(base_url=live.url) as client:
        yield Protected(live, client, issuer=issuer, **made)
        assert not [line for line in live.request_lines() if line["status"] == 500]
        for secret in made.values():
            assert secret not in live.log.getvalue()


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in response.headers) == (status == 401)


def test_valid_credentials_in_either_header(protected: Protected) -> None:
    assert protected.post(protected.key).status_code == 200
    assert protected.post(headers={"x-api-key": protected.key}).status_code == 200
    assert protected.post(headers={"authorization": f"bearer  {protected.key}"}).status_code == 200
    assert protected.post(protected.issuer.token()).status_code == 200
    assert protected.post(protected.issuer.token(algorithm="ES256")).status_code == 200


ADMIN_CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "scope": "admin", "exp": time.time() + 3600}
ROW_37 = {
    "no key": lambda it: {},
    "empty": lambda it: {"authorization": ""},
    "empty bearer": lambda it: {"authorization": "Bearer"},
    "empty key": lambda it: {"x-api-key": ""},
    "wrong key": lambda it: {"authorization": f"Bearer {it.key[:-4]}AAAA"},
    "unknown id": lambda it: {"x-api-key": it.key.replace("clinic", "nobody")},
    "expired key": lambda it: {"x-api-key": it.expired},
    "basic": lambda it: {"authorization": "Basic " + base64.b64encode(it.key.encode()).decode()},
    "key without a scheme": lambda it: {"authorization": it.key},
    "two credentials": lambda it: {"authorization": f"Bearer {it.key}", "x-api-key": it.key},
    "a subprotocol without a stream": lambda it: {"sec-websocket-protocol": f"emoserve, bearer.{it.key}"},
    "a token as a key": lambda it: {"x-api-key": it.issuer.token()},
    "bytes beyond ASCII": lambda it: {"x-api-key": b"emo_clinic_\xff\xfe"},
    "very long": lambda it: {"x-api-key": "emo_clinic_" + "A" * 20_000},
    "expired token": lambda it: {"authorization": "Bearer " + it.issuer.token(exp=time.time() - 3600)},
    "alg none": lambda it: {"authorization": "Bearer " + unsigned(ADMIN_CLAIMS)},
    "wrong aud": lambda it: {"authorization": "Bearer " + it.issuer.token(aud="other")},
    "other signer": lambda it: {"authorization": "Bearer " + Issuer().token()},
}


@pytest.mark.parametrize("case", ROW_37)
@pytest.mark.hostile_row(37)
def test_row_37(protected: Protected, case: str) -> None:
    response = protected.post(headers=ROW_37[case](protected))
    assert_refused(response, 401, "unauthenticated")
    assert protected.post(protected.key).status_code == 200


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_a_browser_is_asked_for_a_password_and_may_use_it_on_our_own_pages(protected: Protected) -> None:
    page = {"accept": "text/html,application/xhtml+xml"}
    refused = protected.client.get("/", headers=page)
    assert_refused(refused, 401, "unauthenticated")
    challenges = ['Bearer realm="emoserve"', 'Basic realm="emoserve", charset="UTF-8"']
    assert refused.headers.get_list("www-authenticate") == challenges
    known = {"authorization": basic(protected.key)}
    assert protected.client.get("/", headers=page | known | {"sec-fetch-site": "none"}).status_code == 200
    assert protected.post(headers=known | {"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_a_stored_password_is_of_no_use_to_other_sites(protected: Protected, site: str) -> None:
    headers = {"authorization": basic(protected.key), "sec-fetch-site": site}
    assert_refused(protected.post(headers=headers), 401, "unauthenticated")


@pytest.mark.parametrize("text", ["Basic", "Basic !!!", "Basic /w==", basic(""), basic("wrong")])
def test_passwords_that_are_none(protected: Protected, text: str) -> None:
    response = protected.post(headers={"authorization": text})
    assert_refused(response, 401, "unauthenticated")
    assert "Basic" not in response.headers["www-authenticate"]  # a script's request must not open a dialogue


@pytest.mark.parametrize("name", ["api_key", "key", "token", "access_token", "X-API-Key", "model"])
@pytest.mark.hostile_row(37)
def test_row_37_key_in_the_query(protected: Protected, name: str) -> None:
    """Even beside valid credentials: an address is logged by whatever stands before the service."""
    # A key is known by its looks wherever it stands, a token by its name alone.
    secret = protected.key if name == "model" else protected.issuer.token()
    for credentials in (None, protected.key):
        assert_refused(protected.post(credentials, params={name: secret}), 401, "unauthenticated")


@pytest.mark.hostile_row(37)
def test_row_37_is_told_before_a_body_is_read(protected: Protected) -> None:
    answers = exchange(protected.live.port, post(EMOTION, 4_000_000, b"Expect: 100-continue\r\n"))
    assert [answer.status for answer in answers] == [401]
    assert answers[0].headers["connection"] == "close"


def test_everything_but_health_needs_credentials(protected: Protected) -> None:
    headers = {"x-api-key": protected.admin}
    document = protected.client.get("/openapi.json", headers=headers).json()
    assert {"bearer", "apiKey"} <= set(document["components"]["securitySchemes"])
    assert document["security"] == [{"bearer": []}, {"apiKey": []}]
    tried = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answer = protected.client.request(method, path.replace("{", "").replace("}", ""))
            assert (answer.status_code == 401) == (path not in OPEN), path
            assert (operation.get("security") == []) == (path in OPEN), path
            assert ("401" in operation["responses"]) == (path not in OPEN), path
            tried += 1
    assert tried > 15
    for path in ("/", "/docs", "/docs/reference.js", "/openapi.json", "/metrics", "/nothing", "/v2/healthy"):
        assert_refused(protected.client.get(path), 401, "unauthenticated")
    for path in OPEN:
        assert protected.client.get(path).status_code == 200
    assert protected.client.options(EMOTION).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/metrics", "metrics:read"),
        ("GET", "/v1/models", "models:read"),
        ("GET", "/v2/models/example", "models:read"),
        ("GET", "/openapi.json", "models:read"),
        ("POST", EMOTION, "analyse"),
        ("POST", "/v1/video/affect", "analyse"),
        ("POST", "/v1/action-units/affect", "analyse"),
    ],
)
@pytest.mark.hostile_row(38)
def test_row_38_a_scope_opens_its_addresses_alone(protected: Protected, method: str, path: str, needed: str) -> None:
    assert required_scope(path) == needed
    for scope in ("analyse", "models:read", "metrics:read", "admin", "none"):
        headers = {"authorization": f"Bearer {protected.issuer.token(scope=scope)}"}
        body = b"RIFF" if method == "POST" else None
        response = protected.client.request(method, path, headers=headers, content=body)
        if scope in (needed, "admin"):
            assert response.status_code == 200
        else:
            assert_refused(response, 403, "forbidden")


@pytest.mark.hostile_row(39)
def test_row_39_refusals_do_not_say_what_was_wrong(protected: Protected) -> None:
    key = protected.key
    guesses = [key[:-1], key[:20], key + "A", key.replace("clinic", "nobody"), protected.expired, "emo_clinic_"]
    answers = [protected.post(guess).json() for guess in guesses]
    assert {(answer["code"], answer["detail"]) for answer in answers} == {
        ("unauthenticated", "Valid credentials are required.")
    }


@pytest.mark.hostile_row(39)
def test_row_39_every_digest_is_compared_to_its_end(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is right but for its end, one that is wrong from the start, and one of nobody cost the same steps."""
    compared = []

    def compare(first: str | bytes, second: str | bytes) -> bool:
        compared.append((len(first), len(second)))
        return compare_digest(first, second)

    monkeypatch.setattr("hmac.compare_digest", compare)
    head, _, secret = protected.key.rpartition("_")
    key = protected.key
    guesses = [key[:-1] + "#", f"{head}_{'A' * len(secret)}", key.replace("clinic", "nobody"), key[:-1], key + "A"]
    for guess in guesses:
        assert_refused(protected.post(guess), 401, "unauthenticated")
    assert compared == [(32, 32)] * len(guesses)


def test_limits_of_a_key_are_429_with_a_time_and_leave_others_alone(protected: Protected) -> None:
    first = protected.post(protected.limited)
    assert first.status_code == 200
    assert first.headers["ratelimit-policy"] == '"requests";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"requests";r=1;')
    assert protected.post(protected.limited).status_code == 200
    refused = protected.post(protected.limited)
    assert_refused(refused, 429, "rate_limited")
    assert 20 <= int(refused.headers["retry-after"]) <= 30
    assert refused.headers["ratelimit"].startswith('"requests";r=0;')
    assert protected.post(protected.key).status_code == 200
    for address, status in (("/v1/models", 200), ("/v1/jobs/" + "x" * 27, 503)):  # jobs are switched off
        answer = protected.client.get(address, headers={"x-api-key": protected.limited})
        assert answer.status_code == status  # reading costs nothing
        assert "ratelimit" not in answer.headers
    metrics = protected.client.get("/metrics", headers={"x-api-key": protected.admin}).text
    assert 'emotion_shed_total{reason="rate_limited"} 1.0' in metrics


def test_preflights_are_answered_only_for_origins_that_are_set(protected: Protected) -> None:
    ask = {"origin": "https://clinic.example", "access-control-request-method": "POST"}
    assert protected.client.options(EMOTION, headers=ask).status_code == 401
    settings = protected.live.services.settings.model_copy(update={"cors_origins": ["https://clinic.example"]})
    with serving(settings) as live:
        granted = httpx.options(live.url + EMOTION, headers=ask | {"access-control-request-headers": "authorization"})
        assert granted.status_code == 200
        assert granted.headers["access-control-allow-origin"] == "https://clinic.example"
        refused = httpx.options(live.url + EMOTION, headers=ask | {"origin": "https://other.example"})
        assert "access-control-allow-origin" not in refused.headers
        used = httpx.post(
            live.url + EMOTION, content=b"RIFF", headers={"x-api-key": protected.key, "origin": ask["origin"]}
        )
        assert used.headers["access-control-allow-origin"] == "https://clinic.example"
        wait_until(lambda: len(live.request_lines()) == 3)
