"""Nothing of an upload is told to anyone: not in logs, errors, headers or metrics, and nothing on disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.live_server import LiveServer, exchange, serving, small_settings, wait_until

CANARY = "CanaryPatientDoe1961"
EMOTION, EMBEDDING = "/v1/audio/emotion", "/v1/audio/embedding"
TAGGED = b"RIFF....LIST INFO IART" + CANARY.encode()


@pytest.fixture
def live() -> Iterator[LiveServer]:
    with serving(small_settings()) as server:
        yield server


def part(name: str = "file", filename: str | None = CANARY + ".wav", content: bytes = TAGGED) -> bytes:
    tail = "" if filename is None else f'; filename="{filename}"'
    head = f'--limit0\r\nContent-Disposition: form-data; name="{name}"{tail}\r\nX-Tag: {CANARY}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form(body: bytes) -> dict:
    return {"content": body, "headers": {"content-type": "multipart/form-data; boundary=limit0"}}


END = b"--limit0--\r\n"
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
    "content type, 415": (
        "POST",
        EMOTION,
        {"content": TAGGED, "headers": {"content-type": f"text/{CANARY}"}},
    ),
    "invalid request id, 200": (
        "POST",
        EMOTION,
        {"content": TAGGED, "headers": {"x-request-id": f"{CANARY} 1"}},
    ),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_canary_appears_nowhere(live: LiveServer, case: str, tmp_path: Path) -> None:
    method, address, send = REQUESTS[case]
    response = httpx.request(method, live.url + address, **send)
    assert str(response.status_code) == case[-3:]
    assert CANARY not in response.text
    assert CANARY not in str(response.headers)
    assert CANARY not in httpx.get(f"{live.url}/metrics").text
    wait_until(lambda: len(live.request_lines()) == 2)
    assert CANARY not in live.log.getvalue()


def test_canary_in_what_the_parser_refuses(live: LiveServer) -> None:
    for request in (
        f"GET /{CANARY} HTTP/9.9\r\n\r\n",
        f"{CANARY} / HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\n{CANARY}\x00: 1\r\n\r\n",
        f"GET / HTTP/1.1\r\nX: {CANARY}" + "x" * 100_000,
    ):
        answers = exchange(live.port, request.encode())
        assert answers[0].status in (400, 431)
        assert CANARY.encode() not in answers[0].body
    assert CANARY not in live.log.getvalue()


def test_uploads_touch_no_file(live: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
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
    assert list(tmp_path.iterdir()) == []


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
