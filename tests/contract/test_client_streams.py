"""The client's live streams against a real service: answers, refusals, back pressure, and connections that break."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from emoserve_client import AffectRows, Emoserve, Problem, Retries, Segment, ServiceUnreachable, Window
from emoserve_client._sync.live_stream import AudioStream
from websockets.sync.client import ClientConnection

from tests.contract.test_audio_stream import SOUND
from tests.plain_wav import tone, wav
from tests.support.client_halves import MakeClient
from tests.support.credentials import add_key
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S, wait_until
from tests.support.proxy import Proxy, proxying
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import hold_back, needs_faces, pcm, serving_project, serving_tiny
from tests.support.video_frames import jpeg, unit_table, units

RATE_HZ = 16_000
PIECE_BYTES = 6400
CONTENT = pcm(SOUND)
PIECES = [CONTENT[begin : begin + PIECE_BYTES] for begin in range(0, len(CONTENT), PIECE_BYTES)]
QUICK = Retries(first_pause_s=0.01)


@pytest.fixture(scope="module")
def streaming(tiny_models: Path) -> Iterator[LiveServer]:
    with serving_tiny(tiny_models, threads=2, limits={"max_message_bytes": 64_000}) as server:
        yield server


@pytest.fixture
def proxy(streaming: LiveServer) -> Iterator[Proxy]:
    with proxying(streaming.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def expected(streaming: LiveServer) -> list[dict]:
    """The windows of :data:`SOUND` with a hop of 0.3 s, over a connection that holds."""
    with StreamClient(streaming) as client:
        client.begin(hop_s=0.3)
        client.send(CONTENT)
        return client.end()[:-1]


Run = Callable[[str, Callable[[int], None]], list[Window]]


@pytest.fixture
def run(make_client: MakeClient) -> Run:
    """Streams :data:`PIECES`, with a call before each and at the end, and collects the windows."""

    def stream_all(url: str, before: Callable[[int], None]) -> list[Window]:
        with make_client(url, retries=QUICK) as emoserve, emoserve.audio_stream(RATE_HZ, hop_s=0.3) as stream:
            windows: list[Window] = []
            for number, piece in enumerate(PIECES):
                before(number)
                stream.send(piece)
                windows += stream.ready()
            before(len(PIECES))
            windows += stream.finish()
            assert stream.closed is not None
            assert stream.closed.answers == len(windows)
            return windows

    return stream_all


def same(windows: Sequence[Window], expected: list[dict]) -> bool:
    return [dict(window.raw) for window in windows] == expected


def test_windows_are_those_of_the_upload(streaming: LiveServer, run: Run) -> None:
    with Emoserve(streaming.url) as emoserve:
        timeline = emoserve.audio_emotion(wav(SOUND), timeline=True, hop_s=0.3).timeline
    windows = run(streaming.url, lambda _: None)
    assert [window.end_s for window in windows] == timeline.end_s
    for name in ("arousal", "valence", "speech"):
        for window, value in zip(windows, getattr(timeline, name), strict=True):
            assert getattr(window, name) == (None if value is None else pytest.approx(value, abs=1e-5))
    for row, window in enumerate(windows):
        known = {label: column[row] for label, column in timeline.probabilities.items()}
        assert window.probabilities == (None if None in known.values() else pytest.approx(known, abs=1e-5))


def test_utterances_come_beside_windows_and_count_when_a_stream_goes_on(
    proxy: Proxy, make_client: MakeClient, streaming: LiveServer
) -> None:
    with Emoserve(streaming.url) as emoserve:
        upload = emoserve.audio_emotion(wav(SOUND), segments=True).segments
    with make_client(f"http://127.0.0.1:{proxy.port}", retries=QUICK) as emoserve:
        with emoserve.audio_stream(RATE_HZ, hop_s=0.3, segments=True) as stream:
            for piece in PIECES:
                stream.send(piece)
            proxy.break_connections()
            answers = list(stream.finish())
        assert stream.closed is not None
        assert stream.closed.answers == len(answers)
    told = [answer for answer in answers if isinstance(answer, Segment)]
    assert len(told) < len(answers)
    assert [one.start_s for one in told] == list(upload.start_s)
    assert [one.end_s for one in told] == list(upload.end_s)
    assert [one.emotion for one in told] == list(upload.emotion)


@pytest.mark.parametrize("places", [{1}, {5, 6, 14}, {len(PIECES)}, set(range(0, len(PIECES), 2))])
def test_a_stream_goes_on_after_its_connection_broke(
    proxy: Proxy, run: Run, places: set[int], expected: list[dict]
) -> None:
    def before(number: int) -> None:
        if number in places:
            proxy.break_connections()

    windows = run(f"http://127.0.0.1:{proxy.port}", before)
    assert same(windows, expected)
    assert proxy.opened >= 2


def test_a_stream_that_was_ended_goes_on_too(proxy: Proxy, streaming: LiveServer, monkeypatch) -> None:
    """The connection breaks when all was sent and nothing answered yet."""
    gate = hold_back(streaming, monkeypatch)
    with (
        Emoserve(f"http://127.0.0.1:{proxy.port}", retries=QUICK) as emoserve,
        emoserve.audio_stream(RATE_HZ) as stream,
    ):
        stream.send(pcm(tone(2.5)))
        stream.end()
        proxy.break_connections()
        wait_until(lambda: proxy.opened == 2)
        gate.set()
        assert [window.end_s for window in stream] == [1.0, 1.5, 2.0, 2.5]
        assert list(stream) == []


def test_one_thread_sends_while_another_reads(streaming: LiveServer, make_client: MakeClient) -> None:
    with make_client(streaming.url) as emoserve, emoserve.audio_stream(RATE_HZ) as stream:
        heard: list[Window] = []
        reading = threading.Thread(target=lambda: heard.extend(stream))
        reading.start()
        stream.send(pcm(tone(1.1)))
        wait_until(lambda: len(heard) == 1)
        stream.send(pcm(tone(1.0)))
        stream.end()
        reading.join(HANG_S)
        assert [window.end_s for window in heard] == [1.0, 1.5, 2.0, 2.1]
        assert (stream.created.model.name, stream.created.window_s) == ("tiny", 1.0)
        assert stream.created.id not in repr(stream.created)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"hop_s": -1.0}, "config_invalid"),
        ({"model": "absent"}, "model_not_found"),
        ({"channels": 99}, "too_many_channels"),
    ],
)
def test_what_the_service_refuses_is_a_problem(
    streaming: LiveServer, make_client: MakeClient, options: dict, code: str
) -> None:
    with make_client(streaming.url) as emoserve:
        with pytest.raises(Problem) as caught, emoserve.audio_stream(RATE_HZ, **options):
            pytest.fail("a stream that was refused")
        assert caught.value.code == code
        assert caught.value.request_id


def test_a_stream_that_fails_on_the_way_says_so_wherever_one_looks(tiny_models: Path, make_client: MakeClient) -> None:
    with (
        serving_tiny(tiny_models, limits={"max_duration_s": 2.0}) as server,
        make_client(server.url) as emoserve,
        emoserve.audio_stream(RATE_HZ) as stream,
    ):
        again = lambda: send_for_ever(stream)  # noqa: E731
        for ask in (again, stream.end, lambda: list(stream), again, stream.ready):
            with pytest.raises(Problem, match="media_too_long"):
                ask()


def send_for_ever(stream: AudioStream) -> None:
    while True:
        stream.send(pcm(tone(0.5)))


def test_misuse_is_told_before_anything_is_sent(streaming: LiveServer, make_client: MakeClient) -> None:
    with make_client(streaming.url) as emoserve, emoserve.audio_stream(RATE_HZ, channels=2) as stream:
        with pytest.raises(ValueError, match="4 bytes"):
            stream.send(b"\0" * 6)
        stream.end()
        with pytest.raises(RuntimeError, match="ended"):
            stream.send(b"\0" * 4)
        assert list(stream) == []
        with pytest.raises(RuntimeError, match="ended"):  # by now the service has closed the stream
            stream.send(b"\0" * 4)
    with pytest.raises(RuntimeError, match="with statement"):
        _ = make_client(streaming.url).audio_stream(RATE_HZ).created


def test_credentials_go_with_it(tiny_models: Path, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json")
    with serving_tiny(tiny_models, keys_file=tmp_path / "keys.json") as server:
        with Emoserve(server.url, key) as emoserve, emoserve.audio_stream(RATE_HZ) as stream:
            assert list(stream.finish()) == []
        with pytest.raises(Problem) as caught, Emoserve(server.url).audio_stream(RATE_HZ):
            pytest.fail("a stream without credentials")
        assert (caught.value.status, caught.value.code) == (401, "unauthenticated")


def test_a_service_without_room_is_asked_again_when_it_said(tiny_models: Path, monkeypatch) -> None:
    with serving_tiny(tiny_models, capacity_s=12.0) as server:
        hasty = Emoserve(server.url, retries=Retries(attempts=1))
        with hasty, hasty.audio_stream(RATE_HZ) as first:  # it holds a window and the buffer: 11 s
            with pytest.raises(Problem) as caught, hasty.audio_stream(RATE_HZ):
                pytest.fail("no room for a second")
            assert caught.value.code == "capacity_exceeded"
            assert caught.value.retry_after_s is not None
            pauses: list[float] = []
            second = Emoserve(server.url, retries=Retries(longest_s=1e6)).audio_stream(RATE_HZ)
            monkeypatch.setattr(second._leaving, "wait", lambda pause_s: (pauses.append(pause_s), first.close())[1])
            with second:
                monkeypatch.undo()
                assert list(second.finish()) == []
            assert pauses[0] >= caught.value.retry_after_s


def test_a_stream_that_another_has_taken_over_is_left_alone(streaming: LiveServer) -> None:
    with Emoserve(streaming.url) as emoserve, emoserve.audio_stream(RATE_HZ) as stream:
        stream.send(pcm(tone(1.1)))
        with StreamClient(streaming) as other:
            assert other.resume(stream.created.id)["type"] == "session.resumed"
            with pytest.raises(ServiceUnreachable, match="another connection"):
                list(stream)


def test_a_session_that_is_gone_is_a_problem(tiny_models: Path) -> None:
    with serving_tiny(tiny_models, limits={"stream_resume_s": 0.0}) as server, proxying(server.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with Emoserve(url, retries=QUICK) as emoserve, emoserve.audio_stream(RATE_HZ) as stream:
            proxy.refuses = True
            proxy.break_connections()
            with pytest.raises(Problem) as caught:
                list(stream)
            assert (caught.value.status, caught.value.code) == (502, "unknown")
            proxy.refuses = False
        with Emoserve(url, retries=QUICK) as emoserve, emoserve.audio_stream(RATE_HZ) as stream:
            (session,) = server.services.streams._attached.values()
            session.owner = "somebody else"
            proxy.break_connections()
            with pytest.raises(Problem, match="session_not_found"):
                list(stream)


def test_nobody_there() -> None:
    emoserve = Emoserve("http://127.0.0.1:9", retries=Retries(attempts=2, first_pause_s=0.01))
    with emoserve, pytest.raises(ServiceUnreachable), emoserve.audio_stream(RATE_HZ):
        pytest.fail("nobody answers there")


def test_a_service_that_stops_ends_the_stream(tiny_models: Path) -> None:
    with serving_tiny(tiny_models) as server:
        emoserve = Emoserve(server.url, retries=QUICK)
        stream = emoserve.audio_stream(RATE_HZ).__enter__()
        stream.send(pcm(tone(1.1)))
        wait_until(lambda: not stream._answers.empty())
    assert [window.end_s for window in stream.ready()] == [1.0]
    with pytest.raises(ServiceUnreachable, match="draining"):
        list(stream)
    stream.close()
    emoserve.close()


def test_a_stream_that_is_left_is_given_up_at_once(streaming: LiveServer, make_client: MakeClient) -> None:
    with make_client(streaming.url) as emoserve, emoserve.audio_stream(RATE_HZ) as stream:
        stream.send(pcm(tone(0.4)))
    wait_until(lambda: len(streaming.services.streams) == 0)
    assert streaming.services.loaded.pipeline.admission.held_s == 0


def test_a_stream_that_is_closed_while_it_reconnects_ends(proxy: Proxy) -> None:
    """The new connection comes when the old one was closed already; nobody would close it but the reader."""
    with Emoserve(f"http://127.0.0.1:{proxy.port}", retries=QUICK) as emoserve:
        stream = emoserve.audio_stream(RATE_HZ).__enter__()
        connect, reconnects = stream._connect, threading.Event()

        def late() -> ClientConnection:
            reconnects.set()
            assert stream._leaving.wait(HANG_S)
            return connect()

        stream._connect = late
        proxy.break_connections()
        assert reconnects.wait(HANG_S)
        closing = threading.Thread(target=stream.close, daemon=True)
        closing.start()
        closing.join(HANG_S)
        assert not closing.is_alive()


def test_a_client_that_is_too_fast_waits(tiny_models: Path, monkeypatch) -> None:
    """Far more sound than buffers hold: sending stops while nothing is judged, and goes on with it."""
    limits = {"stream_buffer_s": 1.0, "stream_held_back_s": 2 * HANG_S, "max_duration_s": 1e4}
    with serving_tiny(tiny_models, limits=limits) as server:
        gate = hold_back(server, monkeypatch)
        piece, count, sent = bytes(500_000), 60, []
        with Emoserve(server.url) as emoserve, emoserve.audio_stream(RATE_HZ, hop_s=30.0) as stream:

            def send_all() -> None:
                for _ in range(count):
                    stream.send(piece)
                    sent.append(1)

            sending = threading.Thread(target=send_all)
            sending.start()
            wait_until(lambda: is_stuck(sent))
            assert 0 < len(sent) < count
            gate.set()
            sending.join(HANG_S)
            windows = list(stream.finish())
            assert windows[-1].end_s == count * len(piece) / 2 / RATE_HZ


def is_stuck(sent: list[int]) -> bool:
    """Whether nothing was sent for a while. On a slow machine it may only rest, and the test asks for less then."""
    before = len(sent)
    threading.Event().wait(0.5)
    return len(sent) == before > 0


@pytest.fixture(scope="module")
def faces() -> Iterator[LiveServer]:
    with serving_project(limits={"max_message_bytes": 200_000}) as server:
        yield server


def test_action_units_get_the_rows_of_a_table_over_a_connection_that_breaks(
    faces: LiveServer, make_client: MakeClient
) -> None:
    count = 300
    with Emoserve(faces.url) as emoserve:
        table = emoserve.table_affect(unit_table(count)).timeline
    rows: list[AffectRows] = []
    with proxying(faces.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with make_client(url, retries=QUICK) as emoserve, emoserve.video_stream(input="action_units") as stream:
            for number in range(count):
                if number in (50, 200):
                    proxy.break_connections()
                stream.send_action_units(round(7 + number * 0.04, 2), 0.98, units(number))
            rows += stream.finish()
            assert stream.created.trained == "prior"
    assert all(part.is_final for part in rows)
    for name in ("time_s", "arousal", "valence", "face_confidence"):
        told = [value for part in rows for value in getattr(part, name)]
        assert told == pytest.approx(getattr(table, name), abs=1e-5)


def test_pictures_without_a_face_are_null(faces: LiveServer, make_client: MakeClient) -> None:
    needs_faces()
    with make_client(faces.url) as emoserve, emoserve.video_stream(causal=True) as stream:
        for number in range(5):
            stream.send_picture(number * 0.1, jpeg())
        with pytest.raises(ValueError, match="bytes"):
            stream.send_picture(1.0, bytes(300_000))
        rows = list(stream.finish())
    assert [value for part in rows for value in part.arousal] == [None] * 5
    assert not any(part.is_final for part in rows)
