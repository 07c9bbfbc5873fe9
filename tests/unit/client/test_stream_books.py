"""The client's books of a live stream, and what it sends again when a connection broke."""

import json
import ssl

import pytest
from emoserve_client import Emoserve, ServiceUnreachable
from emoserve_client import stream_books as books_module
from emoserve_client.stream_books import AUDIO, StreamBooks
from emoserve_client.stream_connection import FINAL, StreamPlace, check_break, refusal
from emoserve_client.stream_media import FrameClock, SoundCutter
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from service.settings import Limits

CREATED = {"type": "session.created", "id": "s", "sample_rate_hz": 10, "channels": 1, "window_s": 1.0, "hop_s": 1.0}
CREATED |= {"labels": ["a"], "model": {"name": "m", "version": "1", "sha256": "0", "licence": "x", "provider": "cpu"}}
CREATED["limits"] = {
    f"{name}_s": 1.0 for name in ("max_duration", "idle_timeout", "buffer", "held_back", "session", "resume")
} | {"max_message_bytes": 100}
WINDOW = {"type": "window", "index": 0, "start_s": 0.0, "end_s": 1.0, "channel": "mix", "probabilities": None}
WINDOW |= {"emotion": None, "arousal": None, "valence": None, "speech": None}


def begun() -> StreamBooks:
    """Three messages of a second, twenty bytes each."""
    books = StreamBooks(AUDIO, {"sample_rate_hz": 10, "model": None})
    assert json.loads(books.first_message()) == {"type": "config", "sample_rate_hz": 10}
    assert books.begin(json.dumps(CREATED)) == []
    for number in range(3):
        books.keep(bytes([number]) * 20, 10, number + 1.0)
    return books


def resumed(received: int) -> str:
    return json.dumps({"type": "session.resumed", "id": "s", "received_samples": received})


def test_what_the_service_lacks_is_sent_again() -> None:
    books = begun()
    assert books.begin(resumed(10)) == [b"\1" * 20, b"\2" * 20]
    assert books.begin(resumed(15)) == [b"\1" * 10, b"\2" * 20]
    end = books.end()
    assert books.begin(resumed(30)) == [end]


def test_what_was_answered_is_kept_no_longer() -> None:
    books = begun()
    assert books.take(json.dumps(WINDOW)) is not None
    assert json.loads(books.first_message()) == {"type": "resume", "id": "s", "received": 1}
    assert books._kept_bytes == 40
    assert books.begin(resumed(10)) == [b"\1" * 20, b"\2" * 20]
    with pytest.raises(ServiceUnreachable, match="not kept"):
        books.begin(resumed(5))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books_module, "MAX_KEPT_BYTES", 40)
    books = begun()
    assert books.begin(resumed(10)) == [b"\1" * 20, b"\2" * 20]
    with pytest.raises(ServiceUnreachable, match="not kept"):
        books.begin(resumed(0))


@pytest.mark.parametrize(
    ("code", "is_final"), [(1000, True), (1001, False), (1012, False), *((c, True) for c in FINAL)]
)
def test_a_stream_that_was_closed_for_good_is_not_resumed(code: int, is_final: bool) -> None:
    closed = ConnectionClosedError(Close(code, ""), None)
    if is_final:
        with pytest.raises(ServiceUnreachable):
            check_break(closed)
    else:
        check_break(closed)


@pytest.mark.parametrize(("status", "may_pass"), [(503, True), (429, True), (401, False), (500, False)])
def test_a_refused_opening_says_when_to_come_back(status: int, may_pass: bool) -> None:
    refused = refusal(InvalidStatus(Response(status, "", Headers({"Retry-After": "7"}), b"{}")))
    assert (refused.may_pass, refused.after_s) == (may_pass, 7.0)


def test_a_wrong_certificate_does_not_pass() -> None:
    assert not refusal(ssl.SSLCertVerificationError()).may_pass
    assert refusal(ConnectionRefusedError()).may_pass


def test_addresses_are_those_of_the_service() -> None:
    assert StreamPlace("https://host/below/", None, None).address("/v1") == "wss://host/below/v1"
    assert StreamPlace("http://host", None, None).address("/v1") == "ws://host/v1"


def test_media_are_cut_and_counted() -> None:
    pieces = list(SoundCutter(10, 2).cut(bytes(100), 18))
    assert [(len(piece.message), piece.units, piece.end_s) for piece in pieces[-2:]] == [(16, 4, 2.4), (4, 1, 2.5)]
    assert [len(piece.message) for piece in SoundCutter(10, 2).cut(bytes(100), 10**6)] == [40, 40, 20]
    clock = FrameClock()
    assert [clock.picture(time_s, b"").end_s for time_s in (5.0, 5.5)] == [0.0, 0.5]


def test_an_answer_is_waited_for_as_long_as_the_service_may_take() -> None:
    with Emoserve("http://service") as emoserve:
        assert emoserve._http.timeout.read is not None
        assert emoserve._http.timeout.read > Limits().deadline_s
