"""Addresses that are called: the operator's list, one look at the host's addresses, nothing private, no redirect."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from typing import Any

import pytest

from service.outgoing import post as posting
from service.outgoing.address import (
    AddressRefusedError,
    Permission,
    Target,
    callback_permission,
    input_permission,
    is_permitted,
    read_target,
)
from service.outgoing.post import post
from service.problems import CallbackRefused, UrlRefused
from service.settings import Settings
from tests.support.certificates import Authority
from tests.support.http_server import Quiet, answering
from tests.support.patience import HANG_S

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOSTS = ["hook.example", "port.example:8443", ".below.example", "[2001:db8::1]"]
LOOPBACK = [ip_network("127.0.0.0/8")]


def settings(**changes: Any) -> Settings:
    return Settings(**{"callback_hosts": HOSTS, "callback_secrets": [SECRET], **changes})


def allowed(**changes: Any) -> Permission:
    return callback_permission(settings(**changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://hook.example", Target("https", "hook.example", 443, "/")),
        ("https://HOOK.Example.:443/a/b?token=1&x=%20", Target("https", "hook.example", 443, "/a/b?token=1&x=%20")),
        ("https://hook.example?x=1", Target("https", "hook.example", 443, "/?x=1")),
        ("https://port.example:8443/", Target("https", "port.example", 8443, "/")),
        ("https://a.b.below.example/", Target("https", "a.b.below.example", 443, "/")),
        ("https://[2001:db8::1]/", Target("https", "[2001:db8::1]", 443, "/")),
        ("https://hook.example///etc", Target("https", "hook.example", 443, "///etc")),
    ],
)
def test_addresses_that_the_operator_has_named(text: str, expected: Target) -> None:
    assert read_target(text, allowed()) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "hook.example", "//hook.example/", "https:hook.example", "https:///x", "HTTPS://hook.example/"),
        *("http://hook.example/", "ftp://hook.example/", "file:///etc/passwd", "gopher://hook.example/", "unix:/x"),
        *("https://other.example/", "https://hook.example.evil.example/", "https://below.example/"),
        *("https://evilbelow.example/", "https://.below.example.evil/", "https://x.hook.example/"),
        *(
            "https://hook.example:444/",
            "https://hook.example:0/",
            "https://hook.example:99999/",
            "https://port.example/",
        ),
        *("https://user@hook.example/", "https://hook.example@evil.example/", "https://user:secret@hook.example/"),
        *(
            "https://evil.example\\@hook.example/",
            "https://hook.example\\.evil.example/",
            "https://evil.example#hook.example",
        ),
        *(
            "https://hook.example/#x",
            "https://hook.example/a b",
            "https://hook.example/\r\nX: y",
            "https://hook.example/\0",
        ),
        *("https://hook.example/ü", "https://hoоk.example/", "https://hook%2eexample/", " https://hook.example/"),
        *("https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://[::1]/", "https://localhost/"),
        *("https://169.254.169.254/latest/meta-data/", "https://hook.example/" + "x" * 2048),
    ],
)
def test_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(CallbackRefused) as caught:
        read_target(text, allowed())
    assert caught.value.pointer == "/callback"


def test_without_named_hosts_nobody_is_called() -> None:
    with pytest.raises(CallbackRefused, match="not allowed it"):
        read_target("https://hook.example/", callback_permission(Settings()))
    assert read_target("http://hook.example/", allowed(callback_http=True)).port == 80


def test_callbacks_and_recordings_are_permitted_apart() -> None:
    permission = input_permission(Settings(input_url_hosts=["store.example"], input_url_http=True))
    long = f"http://store.example/{'x' * 8000}"
    assert read_target(long, permission).path == long.removeprefix("http://store.example")
    assert "xxx" not in repr(read_target(long, permission)), "a presigned address is a secret"
    for text in ("https://hook.example/", f"{long}{'x' * 200}"):
        with pytest.raises(UrlRefused) as caught:
            read_target(text, permission)
        assert caught.value.pointer == "/url"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"callback_secrets": []}, "needs EMOSERVE_CALLBACK_SECRETS"),
        ({"callback_secrets": ["whsec_short"]}, "takes 'whsec_'"),
        ({"callback_secrets": [SECRET.removeprefix("whsec_")]}, "takes 'whsec_'"),
        ({"callback_secrets": [SECRET, "whsec_äöü"]}, "takes 'whsec_'"),
        ({"callback_networks": ["10.0.0.1/8"]}, "callback_networks"),
    ],
)
def test_settings_that_protect_nothing_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        settings(**change)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_called(address: str) -> None:
    assert is_permitted(address, [])


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *(
            "::1",
            "::",
            "fe80::1",
            "fe80::1%1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
        ),
        *("::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "::ffff:0:0"),
    ],
)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_permitted(address, [])


def test_networks_that_the_operator_names_are_called() -> None:
    networks = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    called = [
        a for a in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "10.2.0.1", "127.0.0.1") if is_permitted(a, networks)
    ]
    assert called == ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"]


class Receiver(Quiet, BaseHTTPRequestHandler):
    """Answers with the status that the path names, and keeps what came."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, dict(self.headers), content))
        self.send_response(int(self.path.strip("/").partition("?")[0] or 200))
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/200?redirected")
        self.end_headers()


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    with answering(Receiver) as server:
        server.seen = []
        yield server


def local(server: HTTPServer, path: str = "/", host: str = "hook.example", scheme: str = "http") -> Target:
    return Target(scheme, host, server.server_port, path)


def test_the_address_that_was_checked_is_the_one_that_is_called(receiver: HTTPServer) -> None:
    asked: list[tuple[str, int]] = []

    def once(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["8.8.8.8"]

    assert post(local(receiver, "/200?token=x"), b"{}", {"webhook-id": "1"}, LOOPBACK, once) == 200
    assert asked == [("hook.example", receiver.server_port)]
    [(path, headers, content)] = receiver.seen
    assert (path, content, headers["webhook-id"]) == ("/200?token=x", b"{}", "1")
    assert headers["Host"] == f"hook.example:{receiver.server_port}"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], []])
def test_a_name_that_leads_inside_is_not_called(receiver: HTTPServer, addresses: list[str]) -> None:
    with pytest.raises(AddressRefusedError):
        post(local(receiver), b"{}", {}, [], lambda *_: addresses)
    assert receiver.seen == []


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 410, 500])
def test_no_redirect_is_followed(receiver: HTTPServer, status: int) -> None:
    assert post(local(receiver, f"/{status}"), b"{}", {}, LOOPBACK, lambda *_: ["127.0.0.1"]) == status
    assert [path for path, *_ in receiver.seen] == [f"/{status}"]


def test_certificates_are_checked_by_name(receiver: HTTPServer, tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    trust = ssl.create_default_context(cafile=str(authority.certificate))

    def send(host: str, trusted: ssl.SSLContext | None) -> int:
        return post(local(receiver, host=host, scheme="https"), b"{}", {}, LOOPBACK, lambda *_: ["127.0.0.1"], trusted)

    assert send("127.0.0.1", trust) == 200
    for host, trusted in (("hook.example", trust), ("127.0.0.1", None)):
        with pytest.raises(ssl.SSLCertVerificationError):
            send(host, trusted)
    assert len(receiver.seen) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 2", b"no http at all\r\n\r\n"])
def test_a_side_that_talks_slowly_or_strangely_is_left(
    says: bytes, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "DEADLINE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(says)
                while True:
                    time.sleep(0.05)
                    connection.sendall(b"0")

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        with pytest.raises((OSError, http.client.HTTPException)):
            post(Target(scheme, "127.0.0.1", port, "/"), b"{}", {}, LOOPBACK, lambda *_: ["127.0.0.1"])
        thread.join(HANG_S)
        assert not thread.is_alive()
