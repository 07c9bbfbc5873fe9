"""Nothing of an upload is told to anyone: not in logs, errors, headers or metrics, and nothing on disk."""

import contextlib
import os
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.plain_wav import wav
from tests.support import raw_http
from tests.support.credentials import add_key
from tests.support.live_server import LiveServer, exchange, serving, serving_models, small_settings
from tests.support.patience import wait_until
from tests.support.raw_http import END, FORM

CANARY = "CanaryPatientDoe1961"
EMOTION, EMBEDDING = "/v1/audio/emotion", "/v1/audio/embedding"
TAGGED = b"RIFF....LIST INFO IART" + CANARY.encode()


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def live(audit: Path) -> Iterator[LiveServer]:
    with serving(small_settings(audit_file=str(audit))) as server:
        yield server


def open_files() -> str:
    """Names of the files that this process has open."""
    folder = Path("/proc/self/fd")
    names = []
    for number in os.listdir(folder):
        with contextlib.suppress(OSError):  # closed meanwhile, such as the one that lists
            names.append(os.readlink(folder / number))
    return "\n".join(names)


def told(live: LiveServer, audit: Path) -> str:
    """All that the service has written about its requests."""
    return live.log.getvalue() + audit.read_text()


def part(name: str = "file", filename: str | None = CANARY + ".wav", content: bytes = TAGGED) -> bytes:
    named = None if filename is None else filename.encode()
    return raw_http.part(content, name.encode(), named, b"X-Tag: %b\r\n" % CANARY.encode())


def form(body: bytes) -> dict:
    return {"content": body, "headers": FORM}


REQUESTS = {
    "file name, 200": ("POST", EMOTION, form(part() + END)),
    "file name with an escape, 400": ("POST", EMOTION, form(part(filename=CANARY + "\x1b") + END)),
    "long file name, 400": ("POST", EMOTION, form(part(filename=CANARY * 100) + END)),
    "field name, 400": ("POST", EMOTION, form(part(name=CANARY) + END)),
    "field name of a text, 422": ("POST", EMOTION, form(part() + part(name=CANARY, filename=None) + END)),
    "broken framing, 400": ("POST", EMOTION, form(CANARY.encode() + part())),
    "broken part header, 400": ("POST", EMOTION, form(part().replace(b"X-Tag", CANARY.encode() + b"\x00"))),
    "truncated, 400": ("POST", EMOTION, form(part())),
    "refused content, 422": ("POST", EMOTION, {"content": b"invalid" + TAGGED}),
    "a bug that quotes content, 500": ("POST", EMOTION, {"content": b"bug" + TAGGED}),
    "a bug with a file name, 500": ("POST", EMOTION, form(part(content=b"bug" + TAGGED) + END)),
    "model in the query, 404": ("POST", f"{EMOTION}?model={CANARY}", {"content": TAGGED}),
    "value in the query, 422": ("POST", f"{EMOTION}?hop_s={CANARY}", {"content": TAGGED}),
    "channel in the query, 422": ("POST", f"{EMOTION}?channel={CANARY}", {"content": TAGGED}),
    "embedding, 200": ("POST", EMBEDDING, form(part() + END)),
    "embedding, refused content, 422": ("POST", EMBEDDING, {"content": b"invalid" + TAGGED}),
    "embedding, a bug that quotes content, 500": ("POST", EMBEDDING, {"content": b"bug" + TAGGED}),
    "embedding, model in the query, 404": ("POST", f"{EMBEDDING}?model={CANARY}", {"content": TAGGED}),
    "embedding, value in the query, 422": ("POST", f"{EMBEDDING}?denoise={CANARY}", {"content": TAGGED}),
    "path, 404": ("GET", f"/files/{CANARY}", {}),
    "model in the path, 404": ("GET", f"/v1/models/{CANARY}", {}),
    "accept, 406": ("POST", EMOTION, {"content": TAGGED, "headers": {"accept": f"text/{CANARY}"}}),
    "content type, 415": ("POST", EMOTION, {"content": TAGGED, "headers": {"content-type": f"text/{CANARY}"}}),
    "credentials that nobody asked for, 200": (
        "POST",
        EMOTION,
        {"content": TAGGED, "headers": {"authorization": f"Bearer {CANARY}", "x-api-key": CANARY, "cookie": CANARY}},
    ),
    "origin and referrer, 403": (
        "POST",
        EMOTION,
        {"content": TAGGED, "headers": {"origin": f"https://{CANARY}", "referer": f"https://{CANARY}/x"}},
    ),
    "invalid request id, 200": ("POST", EMOTION, {"content": TAGGED, "headers": {"x-request-id": f"{CANARY} 1"}}),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_canary_appears_nowhere(live: LiveServer, audit: Path, case: str) -> None:
    method, address, send = REQUESTS[case]
    response = httpx.request(method, live.url + address, **send)
    assert str(response.status_code) == case[-3:]
    assert CANARY not in response.text
    assert CANARY not in str(response.headers)
    assert CANARY not in httpx.get(f"{live.url}/metrics").text
    wait_until(lambda: len(live.request_lines()) == 2 and audit.read_text().count("\n") == 2)
    assert CANARY not in told(live, audit)
    assert CANARY not in open_files()


def test_canary_in_what_the_parser_refuses(live: LiveServer, audit: Path) -> None:
    for request in (
        f"GET /{CANARY} HTTP/9.9\r\n\r\n",
        f"{CANARY} / HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\n{CANARY}\x00: 1\r\n\r\n",
        f"GET / HTTP/1.1\r\nX: {CANARY}" + "x" * 100_000,
    ):
        answers = exchange(live.port, request.encode())
        assert answers[0].status in (400, 431)
        assert CANARY.encode() not in answers[0].body
    assert CANARY not in told(live, audit)


def test_uploads_touch_no_file(live: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    opened: list[str] = []

    def listen(event: str, arguments: tuple) -> None:
        if event == "open" and listening and isinstance(arguments[0], str):
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                opened.append(arguments[0])

    listening = False
    sys.addaudithook(listen)  # cannot be taken away again, only told to be quiet
    listening = True
    try:
        body = part(content=TAGGED + bytes(3_000_000)) + END
        assert httpx.post(live.url + EMOTION, **form(body)).status_code == 200
        assert httpx.post(live.url + EMOTION, content=TAGGED + bytes(3_000_000)).status_code == 200
    finally:
        listening = False
    assert opened == []
    assert list(temporary.iterdir()) == []


def test_log_line_has_these_fields_and_no_others(live: LiveServer) -> None:
    httpx.post(f"{live.url}{EMOTION}?timeline=true", content=TAGGED)
    wait_until(lambda: len(live.request_lines()) == 1)
    line = live.request_lines()[0]
    assert set(line) == {
        *("ts", "level", "logger", "message", "request_id", "route", "status", "code"),
        *("duration_ms", "bytes", "media_s"),
    }
    assert (line["route"], line["status"], line["code"]) == (EMOTION, 200, "ok")
    assert (line["bytes"], line["media_s"]) == (len(TAGGED), 2.0)


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"authorization": f"Bearer {CANARY}"}, "", 401),
        ({"authorization": f"Bearer emo_clinic_{CANARY}"}, "", 401),
        ({"x-api-key": f"emo_{CANARY.lower()}_x"}, "", 401),
        ({}, f"?api_key={CANARY}", 401),
        ({}, f"?{CANARY}=1", 401),
    ],
)
def test_canary_in_credentials(tmp_path: Path, headers: dict, query: str, status: int) -> None:
    audit, keys = tmp_path / "audit.jsonl", tmp_path / "keys.json"
    add_key(keys)
    with serving(small_settings(keys_file=keys, audit_file=str(audit))) as live:
        response = httpx.post(f"{live.url}{EMOTION}{query}", content=TAGGED, headers=headers)
        assert response.status_code == status
        wait_until(lambda: audit.exists() and audit.read_text().count("\n") == 1)
        for text in (response.text, str(response.headers), told(live, audit)):
            assert CANARY.lower() not in text.lower()


def holds_canary(folder: Path, since_s: float) -> list[Path]:
    """Files below ``folder`` that were written since, and hold the canary or bear it as their name."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            is_new = path.is_file() and path.stat().st_mtime >= since_s
            if is_new and (CANARY in path.name or CANARY.encode() in path.read_bytes()):
                found.append(path)
    return found


def test_canary_in_real_media_leaves_no_trace_in_folders_descriptors_or_cores(
    speech_models: Path, tmp_path: Path
) -> None:
    """The whole service with its decoder: tags of the file, its name and its samples, whether judged or refused."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    audit, since_s = tmp_path / "audit.jsonl", time.time() - 1
    settings = small_settings(model_dirs=[speech_models], device="cpu", threads=1, audit_file=str(audit))
    samples = np.frombuffer((CANARY.encode() * 2000)[:32000], "<i2").astype(np.float32) / 32768
    sound = wav(samples)
    chunk = b"LIST" + struct.pack("<I", 12 + len(CANARY) + 4) + b"INFOIART" + struct.pack("<I", len(CANARY))
    tagged = sound[:12] + chunk + CANARY.encode() + sound[12:]
    before = tempfile.tempdir
    tempfile.tempdir = str(temporary)
    try:
        with serving_models(settings) as live:
            for body in (sound, tagged, sound[:60], CANARY.encode() * 100, b"RIFF" + CANARY.encode()):
                response = httpx.post(live.url + EMOTION, **form(part(content=body) + END))
                assert response.status_code in (200, 415, 422)
                assert CANARY not in response.text
            decoders = live.services.loaded.decoder.worker_pids()
            for pid in decoders:
                assert CANARY not in Path(f"/proc/{pid}/cmdline").read_text()
                assert {Path(os.readlink(each)).name.split(":")[0] for each in Path(f"/proc/{pid}/fd").iterdir()} <= {
                    "null",
                    "socket",
                }
            wait_until(lambda: audit.read_text().count("\n") == 5)
            assert CANARY not in told(live, audit)
            assert CANARY not in open_files()
            os.kill(decoders[0], signal.SIGSEGV)  # would leave a core behind, if it might
            assert httpx.post(live.url + EMOTION, content=sound).status_code == 200
    finally:
        tempfile.tempdir = before
    for folder in (temporary, Path("/dev/shm"), Path.cwd() / "service"):
        assert holds_canary(folder, since_s) == []
    assert [path for path in Path.cwd().glob("core*") if path.stat().st_mtime >= since_s] == []
