"""``emoserve health`` against running services: plain, under TLS, with client certificates, and against none."""

import socket
from pathlib import Path

import pytest

from service.__main__ import main
from tests.support.certificates import Authority
from tests.support.live_server import LiveServer, serving, small_settings


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def ask(port: int, *arguments: str, **settings: object) -> tuple[int, str]:
        for name, value in settings.items():
            monkeypatch.setenv(f"EMOSERVE_{name.upper()}", str(value))
        monkeypatch.setenv("EMOSERVE_PORT", str(port))
        status = main(["health", *arguments])
        return status, capsys.readouterr().out.strip()

    return ask


def test_a_living_service_is_well(health, live: LiveServer) -> None:
    assert health(live.port) == (0, "live")
    assert health(live.port, "--ready") == (0, "ready")
    assert health(live.port, host="0.0.0.0") == (0, "live")


def test_a_service_that_drains_lives_and_is_not_ready(health) -> None:
    with serving(small_settings()) as server:
        server.services.health.drain()
        assert health(server.port) == (0, "live")
        assert health(server.port, "--ready") == (1, "The service is shutting down.")


def test_nobody_there_is_a_failure(health) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        status, told = health(taken.getsockname()[1])
    assert status == 1
    assert told.startswith("no answer from 127.0.0.1:")


def test_one_that_hangs_is_a_failure(health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        status, told = health(silent.getsockname()[1], "--timeout-s", "0.2")
    assert (status, told.endswith("it took too long")) == (1, True)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("wants_certificates", [False, True])
def test_a_service_with_tls_is_well(health, tmp_path: Path, wants_certificates: bool) -> None:
    authority = Authority(folder(tmp_path / "authority"))
    certificate, key = authority.issue("emoserve.example")
    tls = {"ssl_certfile": certificate, "ssl_keyfile": key}
    if wants_certificates:
        tls["ssl_ca_certs"] = Authority(folder(tmp_path / "other")).certificate
    with serving(small_settings(**tls)) as server:
        assert health(server.port, **tls)[0] == 0
        assert health(server.port, "--ready", **tls)[0] == (1 if wants_certificates else 0)
