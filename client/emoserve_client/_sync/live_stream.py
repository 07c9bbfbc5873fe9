# Generated from _async/live_stream.py by client/unasync.py; do not edit.
"""Live streams of the blocking client: sound or a face goes in while answers come out.

Background work of the stream reads the answers. It opens a new connection when one breaks, and resumes the session.
"""

import queue
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Generic, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from emoserve_client.attempts import Attempts
from emoserve_client.background import Background, Event
from emoserve_client.event_answers import AffectRows, Segment, Window
from emoserve_client.problems import EmoserveError, ServiceUnreachable
from emoserve_client.retries import Retries
from emoserve_client.stream_books import AUDIO, VIDEO, Answer, Created, Kind, Message, StreamBooks
from emoserve_client.stream_connection import BROKEN, FAILURES, FIRST_ANSWER_S, StreamPlace, check_break, refusal
from emoserve_client.stream_media import FrameClock, Piece, SoundCutter
from emoserve_client.stream_messages import AudioStreamCreated, StreamClosed, VideoStreamCreated


class LiveStream(Generic[Created, Answer]):
    """One stream. Use it as a context manager; one thread may send while another reads.

    Args:
        kind: what sets streams of sound and of faces apart.
        config: members of the first message.
        place: address and credentials of the service.
        retries: when and how often opening is repeated, at the beginning and after each broken connection.

    Every method raises :class:`Problem` when the service refuses, and :class:`ServiceUnreachable` when the connection
    cannot be opened again.
    """

    def __init__(
        self, kind: Kind[Created, Answer], config: Mapping[str, Any], place: StreamPlace, retries: Retries
    ) -> None:
        self._books = StreamBooks(kind, config)
        self._place = place
        self._retries = retries
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._failure: EmoserveError | None = None
        self._sending = threading.Lock()
        self._leaving = Event()
        self._over = Event()
        self._socket: ClientConnection | None = None
        self._reader = Background(self._read)

    @property
    def created(self) -> Created:
        """First message of the service. Raises RuntimeError if the stream is not open yet."""
        created = self._books.created
        if created is None:
            raise RuntimeError("the stream has not begun: open it by a with statement")
        return created

    @property
    def closed(self) -> StreamClosed | None:
        """Last message of the service, or None before it has come."""
        return self._books.closed

    def end(self) -> None:
        """Tell the service that no more media follow: it judges the rest and closes the stream."""
        with self._sending:
            self._check()
            self._put(self._books.end())

    def finish(self) -> Iterator[Answer]:
        """End the stream with the first step of the iteration, and yield the answers that are left."""
        self.end()
        yield from self

    def ready(self) -> list[Answer]:
        """Return the answers that have come by now, without waiting."""
        found: list[Answer] = []
        while not self._answers.empty():
            answer = self._answers.get_nowait()
            if answer is None:
                self._answers.put_nowait(None)  # for whoever asks next
                break
            found.append(answer)
        if not found and self._over.is_set() and self._failure is not None:
            raise self._failure
        return found

    def __iter__(self) -> Iterator[Answer]:
        """Yield answers as they come, until the stream is over."""
        while (answer := self._answers.get()) is not None:
            yield answer
        self._answers.put_nowait(None)
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Close the connection; the service gives up a stream that was not ended."""
        self._leaving.set()
        self._reader.cancel()
        if self._socket is not None:
            self._socket.close()
        self._reader.join()

    def __enter__(self) -> Self:
        self._socket = self._connect()
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, piece: Piece) -> None:
        """Send media; wait while the service holds the client back, and while a broken connection is opened again."""
        limit = self.created.limits.max_message_bytes
        if len(piece.message) > limit:
            raise ValueError(f"a message of {len(piece.message)} bytes, and the service takes {limit}")
        with self._sending:
            self._check()
            self._books.keep(piece.message, piece.units, piece.end_s)
            broken = self._put(piece.message)
        while broken is not None and self._socket is broken and not self._over.wait(0.01):
            pass

    def _put(self, message: Message) -> ClientConnection | None:
        """Send on the current connection; return it if it is broken. The reader then sends the message again."""
        assert self._socket is not None
        try:
            self._socket.send(message)
        except ConnectionClosed:
            return self._socket
        return None

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._books.is_ended:
            raise RuntimeError("the stream was ended: nothing more can be sent")
        if self._over.is_set():
            raise ServiceUnreachable("the stream is over")

    def _read(self) -> None:
        try:
            while self._take_next():
                pass
        except EmoserveError as error:
            self._failure = error
        except Exception as error:
            self._failure = ServiceUnreachable(f"a message that cannot be understood: {type(error).__name__}")
            self._failure.__cause__ = error
        finally:
            self._over.set()
            self._answers.put_nowait(None)

    def _take_next(self) -> bool:
        """Take one message, or open a broken connection again; False when the stream is over."""
        assert self._socket is not None
        try:
            text = self._socket.recv()
        except ConnectionClosed as closed:
            if self._books.closed is not None or self._leaving.is_set():
                return False
            check_break(closed)
            with self._sending:
                self._socket = self._connect()
            if self._leaving.is_set():  # close() may have closed the former connection
                self._socket.close()
            return True
        answer = self._books.take(str(text))
        if answer is not None:
            self._answers.put_nowait(answer)
        return True

    def _connect(self) -> ClientConnection:
        """Open a connection with a new or resumed session."""
        attempts = Attempts(self._retries, repeatable=True)
        while True:
            try:
                return self._open()
            except (EmoserveError, *FAILURES) as error:
                refused = refusal(error)
            pause_s = attempts.pause_after(refused.error, may_pass=refused.may_pass, after_s=refused.after_s)
            if self._leaving.wait(pause_s):
                raise refused.error

    def _open(self) -> ClientConnection:
        opening = connect(self._place.address(self._books.kind.path), **self._place.options())
        socket: ClientConnection = opening.__enter__()  # newer releases of websockets want the context manager
        try:
            socket.send(self._books.first_message())
            first = socket.recv(FIRST_ANSWER_S)
            for message in self._books.begin(str(first)):
                socket.send(message)
        except BaseException:
            socket.close(BROKEN)
            raise
        return socket


class AudioStream(LiveStream[AudioStreamCreated, Window | Segment]):
    """Takes sound and yields each :class:`Window` once it is complete; see :meth:`Emoserve.audio_stream`.

    With ``segments=True`` it yields each :class:`Segment` too, once the utterance has ended.
    """

    def __init__(self, place: StreamPlace, retries: Retries, config: Mapping[str, Any]) -> None:
        super().__init__(AUDIO, config, place, retries)
        self._cutter = SoundCutter(config["sample_rate_hz"], config.get("channels") or 1)

    def send(self, pcm: bytes | bytearray | memoryview) -> None:
        """Send 16 bit samples, little-endian, channels interleaved; waits while the service is behind.

        Raises:
            ValueError: the bytes are no whole number of samples of every channel.
        """
        for piece in self._cutter.cut(pcm, self.created.limits.max_message_bytes):
            self._send(piece)


class VideoStream(LiveStream[VideoStreamCreated, AffectRows]):
    """Takes pictures or action units and yields :class:`AffectRows`; see :meth:`Emoserve.video_stream`."""

    def __init__(self, place: StreamPlace, retries: Retries, config: Mapping[str, Any]) -> None:
        super().__init__(VIDEO, config, place, retries)
        self._clock = FrameClock()

    def send_picture(self, time_s: float, jpeg: bytes) -> None:
        """Send a JPEG picture; waits while the service is behind.

        Args:
            time_s: time of the picture in seconds, later than that of the picture before.
            jpeg: the picture.

        Raises:
            ValueError: the picture is larger than the service takes.
        """
        self._send(self._clock.picture(time_s, jpeg))

    def send_action_units(
        self, time_s: float, confidence: float, units: Mapping[str, float], *, success: bool = True
    ) -> None:
        """Send the 17 action units of a frame.

        Args:
            time_s: time of the frame in seconds, later than that of the frame before.
            confidence: confidence of the face tracker, 0…1.
            units: intensities 0…5 by OpenFace's names, such as ``AU01_r``.
            success: whether the face was found.
        """
        self._send(self._clock.action_units(time_s, confidence, units, success=success))
