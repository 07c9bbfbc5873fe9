"""SIGTERM: readiness goes false first, accepted work finishes, the process leaves with status 0."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from service.loaded import Loaded
from service.services import Services
from tests.shared_material import ROOT
from tests.support.fakes import FakeDecoder, FakePipeline, FakeRegistry
from tests.support.live_server import connected, read_answers, serving, small_settings
from tests.support.patience import HANG_S, wait_until
from tests.support.raw_http import post

EMOTION = "/v1/audio/emotion"


@contextmanager
def program(ready_grace_s: float, drain_s: float = 10.0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "tests.support.drain_program", str(ready_grace_s), str(drain_s)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def accepted(url: str, body: bytes) -> socket.socket:
    """A connection whose request the application has begun to read, and whose body is sent."""
    connection = connected(int(url.rpartition(":")[2]))
    connection.sendall(post(EMOTION, len(body), b"Expect: 100-continue\r\n"))
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    connection.sendall(body)
    return connection


@pytest.mark.chaos_row("terminated under load")
def test_accepted_work_finishes_and_status_is_0() -> None:
    with program(ready_grace_s=0.0) as (process, url):
        connections = [accepted(url, b"slow") for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        assert [read_answers(connection)[0].status for connection in connections] == [200] * 4
        for connection in connections:
            connection.close()
        assert process.wait(HANG_S) == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr]
        assert not [line for line in lines if line["level"] in ("warning", "error")]


@pytest.mark.chaos_row("terminated under load")
def test_readiness_goes_false_before_the_socket_closes() -> None:
    with program(ready_grace_s=60.0) as (process, url):
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 503)
        ready = httpx.get(f"{url}/v2/health/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "draining")
        assert ready.headers["retry-after"]
        assert httpx.get(f"{url}/v2/health/live").status_code == 200
        assert httpx.post(url + EMOTION, content=b"RIFF").status_code == 200  # still routed here: still done
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)  # the second signal ends the grace
        assert process.wait(HANG_S) == 0


@pytest.mark.chaos_row("terminated under load")
def test_work_beyond_the_grace_is_broken_off() -> None:
    with program(ready_grace_s=0.0, drain_s=1.0) as (process, url):
        connection = accepted(url, b"gate")
        process.send_signal(signal.SIGTERM)
        answer = read_answers(connection)[0]
        assert (answer.status, answer.json["code"]) == (503, "draining")
        connection.close()
        assert process.wait(HANG_S / 2) == 0  # the work itself would go on for 60 s


def test_starting_is_alive_but_not_ready_and_takes_no_work(monkeypatch) -> None:
    loading = threading.Event()

    def load(settings, metrics):
        loading.wait(HANG_S)
        return Loaded(FakeRegistry(), FakeDecoder(), FakePipeline())

    monkeypatch.setattr("service.services.load", load)
    settings = small_settings()
    with serving(settings, Services(settings)) as live:
        assert httpx.get(f"{live.url}/v2/health/live").status_code == 200
        for method, path in (("GET", "/v2/health/ready"), ("POST", EMOTION), ("GET", "/v1/models")):
            response = httpx.request(method, live.url + path, content=b"RIFF" if method == "POST" else None)
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert response.headers["retry-after"]
        assert "emotion_ready 0.0" in httpx.get(f"{live.url}/metrics").text
        loading.set()
        wait_until(lambda: httpx.get(f"{live.url}/v2/health/ready").status_code == 200)
        assert "emotion_ready 1.0" in httpx.get(f"{live.url}/metrics").text
        assert httpx.post(live.url + EMOTION, content=b"RIFF").status_code == 200


def test_readiness_follows_decoder_and_device() -> None:
    with serving(small_settings()) as live:
        ready = f"{live.url}/v2/health/ready"
        live.services.loaded.decoder.pids = []
        assert httpx.get(ready).json()["code"] == "decoder_unavailable"
        assert httpx.get(f"{live.url}/v2/models/example/ready").status_code == 503
        live.services.loaded.decoder.pids = [1]
        live.pipeline.is_stalled = True
        assert httpx.get(ready).json()["code"] == "inference_unavailable"
        live.pipeline.is_stalled = False
        assert httpx.get(ready).status_code == 200


def test_what_cannot_start_says_so_in_one_line_and_leaves() -> None:
    code = (
        "import service.services, service.server, sys\n"
        "def load(settings, metrics): raise RuntimeError('example/1: card.json\\nis not valid')\n"
        "service.services.load = load\n"
        "from service.settings import Settings\n"
        "sys.exit(service.server.serve(Settings(port=0)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    errors = [line for line in lines if line["level"] == "error"]
    assert [line["reason"] for line in errors] == ["example/1: card.json is not valid"]
