"""JSON Web Tokens: what must be in them, which signatures count, and where the keys come from."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from service.access.token_keys import (
    FETCH_RETRY_S,
    LEAST_INTERVAL_S,
    LONGEST_AGE_S,
    FetchedKeys,
    FileKeys,
    fetch_safely,
    is_safe_address,
    parse_keys,
)
from service.access.tokens import LEEWAY_S, Tokens
from service.access.watched_file import FileInvalid
from service.problems import Unauthenticated, Unavailable
from tests.support.credentials import AUDIENCE, ISSUER, Issuer, unsigned
from tests.support.http_server import Quiet, answering


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


@pytest.fixture
def tokens(issuer, tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(issuer.key_set()))
    return Tokens(ISSUER, AUDIENCE, FileKeys(path))


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256"])
def test_asymmetric_signatures_count(issuer, tokens, algorithm):
    caller = tokens.identify(issuer.token(algorithm=algorithm, scope="analyse openid", scp=["models:read", 7]))
    assert caller.key_id == caller.owner == "jwt:user-7"
    assert caller.scopes == {"analyse", "models:read"}


def test_a_key_that_names_its_algorithm_is_for_that_alone(issuer, tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**issuer.public("rsa"), "alg": "RS256"}]}))
    tokens = Tokens(ISSUER, AUDIENCE, FileKeys(path))
    assert tokens.identify(issuer.token(algorithm="RS256"))
    with pytest.raises(Unauthenticated):
        tokens.identify(issuer.token(algorithm="RS384"))


def test_a_strange_subject_is_hashed(issuer, tokens):
    assert tokens.identify(issuer.token(sub='x","key_id":"other\n')).key_id.startswith("jwt:sha256:")


def test_the_leeway_is_kept_to(issuer, tokens):
    assert tokens.identify(issuer.token(exp=time.time() - LEEWAY_S + 10))
    with pytest.raises(Unauthenticated):
        tokens.identify(issuer.token(exp=time.time() - LEEWAY_S - 1))


def swapped_claims(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{issuer.token(scope='admin').split('.')[1]}.{signature}"


WRONG = {
    "expired": lambda issuer: issuer.token(exp=time.time() - 3600),
    "wrong audience": lambda issuer: issuer.token(aud="other"),
    "wrong issuer": lambda issuer: issuer.token(iss="https://other.example"),
    "not yet": lambda issuer: issuer.token(nbf=time.time() + 3600),
    "no expiry": lambda issuer: issuer.token(exp=None),
    "no audience": lambda issuer: issuer.token(aud=None),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "no subject": lambda issuer: issuer.token(sub=None),
    "alg none": lambda _: unsigned({"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": time.time() + 60}),
    "HMAC": lambda issuer: issuer.token(algorithm="HS256", key="n" * 64, kid="rsa"),
    "other key": lambda _: Issuer().token(),
    "unknown kid": lambda issuer: issuer.token(kid="other"),
    "EC kid for an RSA signature": lambda issuer: issuer.token(kid="ec"),
    "other claims under the signature": swapped_claims,
    "no signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "no token": lambda _: "a.b.c",
    "empty": lambda _: "",
}


@pytest.mark.parametrize("case", WRONG)
def test_row_37_wrong_tokens(issuer, tokens, case):
    with pytest.raises(Unauthenticated) as caught:
        tokens.identify(WRONG[case](issuer))
    assert str(caught.value) == Unauthenticated.title


def test_a_changed_file_of_keys_is_read_again(issuer, tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [issuer.public("rsa")]}))
    tokens = Tokens(ISSUER, AUDIENCE, FileKeys(path))
    assert tokens.identify(issuer.token())
    path.write_text(json.dumps({"keys": [issuer.public("rsa-2"), issuer.public("ec")]}))
    os.utime(path, ns=(1, 1))
    assert tokens.identify(issuer.token(kid="rsa-2"))
    with pytest.raises(Unauthenticated):
        tokens.identify(issuer.token())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "AA"}]}',
        b'{"keys": [{"kty": "RSA", "use": "enc"}]}',
        b'{"keys": 1}',
    ],
)
def test_sets_without_public_keys_are_refused(content):
    with pytest.raises(FileInvalid):
        parse_keys(content)


class Publisher:
    """Stands in for the issuer's web server, and counts."""

    def __init__(self, issuer: Issuer) -> None:
        self.keys = {"keys": [issuer.public("rsa")]}
        self.fetched: list[str] = []
        self.is_away = False
        self.now = 1000.0

    def __call__(self, address: str) -> bytes:
        self.fetched.append(address)
        if self.is_away:
            raise OSError("away")
        if address.endswith("/.well-known/openid-configuration"):
            return json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}).encode()
        return json.dumps(self.keys).encode()


def test_keys_are_fetched_once_and_again_for_an_unknown_id_once_a_minute(issuer):
    publisher = Publisher(issuer)
    tokens = Tokens(ISSUER, AUDIENCE, FetchedKeys(ISSUER, publisher, lambda: publisher.now))
    for _ in range(3):
        assert tokens.identify(issuer.token())
    assert publisher.fetched == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"]
    publisher.keys = {"keys": [issuer.public("rsa-2")]}
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            tokens.identify(issuer.token(kid="rsa-2"))
    assert len(publisher.fetched) == 2
    publisher.now += LEAST_INTERVAL_S
    assert tokens.identify(issuer.token(kid="rsa-2"))
    with pytest.raises(Unauthenticated):
        tokens.identify(issuer.token())
    assert len(publisher.fetched) == 4


@pytest.mark.parametrize(
    "document", [{"issuer": "https://other.example", "jwks_uri": f"{ISSUER}/keys"}, {"jwks_uri": f"{ISSUER}/keys"}, []]
)
def test_keys_that_another_issuers_document_names_count_for_nothing(issuer, document):
    def fetch(address: str) -> bytes:
        return json.dumps(issuer.key_set() if address.endswith("/keys") else document).encode()

    with pytest.raises(Unavailable):
        Tokens(ISSUER, AUDIENCE, FetchedKeys(ISSUER, fetch)).identify(issuer.token())


def test_nobody_waits_for_a_fetch_of_another(issuer):
    """Tokens of made-up keys cost nothing: were they to wait for an issuer that hangs, they would take all threads."""
    publisher = Publisher(issuer)
    keys = FetchedKeys(ISSUER, publisher, lambda: publisher.now)
    tokens = Tokens(ISSUER, AUDIENCE, keys)
    tokens.load()
    refused: list[Exception] = []

    def meanwhile(address: str) -> bytes:
        publisher.is_away = True
        for kid in ("rsa", "made-up"):
            asker = threading.Thread(target=ask, args=(kid,))
            asker.start()
            asker.join()
        return publisher(address)

    def ask(kid: str) -> None:
        try:
            tokens.identify(issuer.token(kid=kid))
        except (Unauthenticated, Unavailable) as problem:
            refused.append(problem)

    publisher.now += LONGEST_AGE_S + 1
    keys._fetch = meanwhile
    assert tokens.identify(issuer.token())
    assert [(type(problem), problem.retry_after_s) for problem in refused] == [(Unavailable, FETCH_RETRY_S)]


def test_withdrawn_keys_go_out_of_use(issuer):
    publisher = Publisher(issuer)
    tokens = Tokens(ISSUER, AUDIENCE, FetchedKeys(ISSUER, publisher, lambda: publisher.now))
    tokens.load()
    publisher.keys = {"keys": [issuer.public("ec")]}
    publisher.now += LONGEST_AGE_S + 1
    with pytest.raises(Unauthenticated):
        tokens.identify(issuer.token())


def test_an_issuer_that_is_away_keeps_its_keys_and_is_no_fault_of_the_token(issuer):
    publisher = Publisher(issuer)
    publisher.is_away = True
    tokens = Tokens(ISSUER, AUDIENCE, FetchedKeys(ISSUER, publisher, lambda: publisher.now))
    tokens.load()
    with pytest.raises(Unavailable) as caught:
        tokens.identify(issuer.token())
    assert caught.value.retry_after_s == LEAST_INTERVAL_S
    publisher.is_away = False
    publisher.now += LEAST_INTERVAL_S
    assert tokens.identify(issuer.token())
    publisher.is_away = True
    publisher.now += LONGEST_AGE_S + 1
    assert tokens.identify(issuer.token())


@pytest.mark.parametrize(
    ("address", "is_safe"),
    [
        ("https://issuer.example/x", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost/realm", True),
        ("http://issuer.example", False),
        ("http://127.0.0.1.example", False),
        ("http://127.0.0.1@issuer.example", False),
        ("file:///etc/passwd", False),
        ("ftp://issuer.example", False),
        ("https://", False),
    ],
)
def test_only_safe_addresses_are_fetched(address, is_safe):
    assert is_safe_address(address) is is_safe
    if not is_safe:
        with pytest.raises(OSError, match="not safe"):
            fetch_safely(address)


def test_keys_over_a_real_socket_but_not_by_an_unsafe_redirect_nor_without_end(monkeypatch):
    class Answers(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/keys" else 302)
            self.send_header("Location", "http://issuer.example/keys")
            self.end_headers()
            self.wfile.write(b"content")

    with answering(Answers) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("service.access.token_keys.MAX_BYTES", len(b"content"))
        assert fetch_safely(f"{address}/keys") == b"content"
        monkeypatch.setattr("service.access.token_keys.MAX_BYTES", len(b"content") - 1)
        with pytest.raises(OSError, match="too large"):
            fetch_safely(f"{address}/keys")
        with pytest.raises(OSError, match="not safe"):
            fetch_safely(f"{address}/elsewhere")
