"""Messages of a live stream, made from sound and pictures."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emoserve_client.stream_books import Message

BYTES_PER_SAMPLE = 2
TIME = struct.Struct("<d")
"""Layout of the time in seconds before every picture: a little-endian float64."""

MAX_PIECE_S = 1.0
"""Most seconds of sound in one message; after a broken connection, whole messages are sent again."""


@dataclass(frozen=True)
class Piece:
    """One message of media.

    Attributes:
        message: message as it is sent.
        units: number of samples of a channel, or of frames.
        end_s: time at which the message ends, in seconds from the beginning of the stream.
    """

    message: Message
    units: int
    end_s: float


class SoundCutter:
    """Cuts 16 bit PCM into messages of whole samples.

    Args:
        sample_rate_hz: samples of a channel in a second.
        channels: number of interleaved channels.
    """

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self._rate_hz = sample_rate_hz
        self._frame_bytes = BYTES_PER_SAMPLE * channels
        self._samples = 0

    def cut(self, pcm: bytes | bytearray | memoryview, max_bytes: int) -> Iterator[Piece]:
        """Cut ``pcm`` into messages.

        Args:
            pcm: 16 bit samples, little-endian, channels interleaved.
            max_bytes: most bytes of one message.

        Raises:
            ValueError: the bytes are no whole number of samples of every channel.
        """
        content = bytes(pcm)
        if len(content) % self._frame_bytes:
            raise ValueError(f"{len(content)} bytes are no whole number of samples of {self._frame_bytes} bytes")
        samples = max(1, min(int(MAX_PIECE_S * self._rate_hz), max_bytes // self._frame_bytes))
        step = samples * self._frame_bytes
        for begin in range(0, len(content), step):
            message = content[begin : begin + step]
            units = len(message) // self._frame_bytes
            self._samples += units
            yield Piece(message, units, self._samples / self._rate_hz)


class FrameClock:
    """Makes messages of frames; the times of the messages count from the first frame."""

    def __init__(self) -> None:
        self._first_s: float | None = None

    def picture(self, time_s: float, jpeg: bytes) -> Piece:
        """Make the message of a JPEG picture."""
        return Piece(TIME.pack(time_s) + bytes(jpeg), 1, self._since_first(time_s))

    def action_units(self, time_s: float, confidence: float, units: Mapping[str, float], *, success: bool) -> Piece:
        """Make the message of a frame's 17 intensities by OpenFace's names, such as ``AU01_r``."""
        frame = {"type": "frame", "time_s": time_s, "confidence": confidence, "success": success, **units}
        return Piece(json.dumps(frame), 1, self._since_first(time_s))

    def _since_first(self, time_s: float) -> float:
        if self._first_s is None:
            self._first_s = time_s
        return time_s - self._first_s
