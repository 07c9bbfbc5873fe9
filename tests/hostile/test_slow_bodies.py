"""Bodies that come so slowly that they would keep every place: a least rate, and a share of one address."""

import asyncio
import socket
import threading
from contextlib import ExitStack, closing

import httpx
import pytest
from starlette.requests import Request

from service.http import uploads
from service.http.exchange import Exchange
from service.http.work_pool import UploadMemory
from service.outgoing.address import input_permission
from service.problems import BodyTimeout
from service.services import Services
from service.settings import Limits, Settings
from tests.support.live_server import connected, read_answers, serving, small_settings, wait_until
from tests.support.raw_http import WAV_TYPE, post

PLACES = 6


def begin(port: int, source: str = "127.0.0.1") -> socket.socket:
    """An upload of which one byte has come, from an address of this machine."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
    connection.sendall(post("/v1/audio/emotion", 100_000, WAV_TYPE) + b"R")
    return connection


def test_one_address_cannot_hold_every_place() -> None:
    with serving(small_settings(max_requests=PLACES)) as server, ExitStack() as stack:
        memory = server.services.uploads
        for count in range(PLACES // 2):
            stack.enter_context(begin(server.port))
            wait_until(lambda count=count: memory.uploads == count + 1)
        with begin(server.port) as refused:
            (answer,) = read_answers(refused)
            assert (answer.status, answer.json["code"]) == (503, "capacity_exceeded")
            assert int(answer.headers["retry-after"]) >= 1
        other = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=other, base_url=server.url) as neighbour:
            assert neighbour.post("/v1/audio/emotion", content=b"RIFF").status_code == 200


def test_uploads_that_have_arrived_leave_their_senders_share() -> None:
    with serving(small_settings(max_requests=PLACES, max_uploads_per_sender=1)) as server, ExitStack() as stack:
        answers: list[int] = []

        def upload() -> None:
            answers.append(httpx.post(f"{server.url}/v1/audio/emotion", content=b"slow").status_code)

        threads = [threading.Thread(target=upload) for _ in range(3)]
        for count, thread in enumerate(threads):
            thread.start()
            stack.callback(thread.join)
            wait_until(lambda count=count: len(server.pipeline.seen) == count + 1)
        stack.close()
        assert answers == [200, 200, 200]


def test_a_body_below_the_least_rate_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PACE_S", 0.5)
    with serving(small_settings(limits={"min_body_bytes_per_s": 1000})) as server:
        with connected(server.port) as connection:
            connection.sendall(post("/v1/audio/emotion", 100_000, WAV_TYPE))
            stop = threading.Event()

            def drip() -> None:
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"R")
                    except OSError:
                        return

            thread = threading.Thread(target=drip)
            thread.start()
            (answer,) = read_answers(connection)
            stop.set()
            thread.join()
        assert (answer.status, answer.json["code"]) == (408, "body_timeout")
        wait_until(lambda: server.services.uploads.uploads == 0)


class DrawnLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock that the test moves."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s


@pytest.mark.parametrize(("bytes_per_s", "is_taken"), [(150, True), (90, False)])
def test_a_body_that_keeps_the_rate_may_take_longer(bytes_per_s: int, is_taken: bool) -> None:
    """A piece comes each second, for four times as long as the pace is measured."""
    limits = Limits(min_body_bytes_per_s=100, body_timeout_s=1000.0)
    loop, seconds = DrawnLoop(), round(4 * uploads.PACE_S)
    came = 0

    async def receive() -> dict[str, object]:
        nonlocal came
        came += 1
        loop.now_s += 1.0
        await asyncio.sleep(0)  # what is over by now is noticed here
        return {"type": "http.request", "body": bytes(bytes_per_s), "more_body": came < seconds}

    headers = [(b"content-length", b"%d" % (seconds * bytes_per_s)), (b"content-type", b"audio/wav")]
    scope = {"type": "http", "headers": headers, "state": {"exchange": Exchange("one")}}
    with closing(loop), UploadMemory(1, 10_000).hold() as held:
        reading = uploads.read_upload(Request(scope, receive), limits, held, input_permission(Settings()))
        if is_taken:
            assert len(loop.run_until_complete(reading)) == seconds * bytes_per_s
            return
        with pytest.raises(BodyTimeout):
            loop.run_until_complete(reading)
        assert uploads.PACE_S <= came <= uploads.PACE_S + 1


def test_the_usual_share_is_half_of_all_places() -> None:
    assert Services(small_settings(max_requests=5)).uploads._max_arriving == 3
