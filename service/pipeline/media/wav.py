"""The RIFF/WAVE header, read without trust in its numbers. Pure functions over bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from service.pipeline.media.containers import PCM_IN_WAV
from service.problems import CodecUnsupported, MediaEmpty, MediaInconsistent, MediaInvalid, MediaTruncated

MAX_CHUNKS: Final = 1000
"""Most chunks before the samples; real recorders write fewer than ten."""

STREAMED_BYTES: Final = 0x7FFF_0000
"""Data length from which it is a placeholder, written by programs that write to a pipe (FFmpeg, SoX, arecord)."""

_EXTENSIBLE: Final = 0xFFFE
_SUBFORMAT_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")


@dataclass(frozen=True)
class WavLayout:
    """Position and format of the samples; ``data_bytes`` are present, and whole frames of ``frame_bytes``."""

    codec: str
    sample_rate_hz: int
    channels: int
    frame_bytes: int
    data_start: int
    data_bytes: int
    truncated: bool


def read_layout(data: memoryview) -> WavLayout:
    """Read the header of a file that begins with RIFF....WAVE.

    Lengths count the bytes present. A header that claims more sets ``truncated``, unless its length is the placeholder
    of a stream; a length of zero before samples is a contradiction.

    Raises:
        MediaTruncated, MediaInvalid, MediaEmpty, MediaInconsistent, CodecUnsupported: the header is wrong.
    """
    position = 12
    form: tuple[str, int, int, int] | None = None
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            raise MediaTruncated("The recording ends before its samples.")
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"fmt ":
            form = _read_format(data[position : position + min(size, 40)])
        elif name == b"data":
            if form is None:
                raise MediaInvalid("The recording's samples come before their format.")
            return _lay_out(data, position, size, *form)
        position += size + (size & 1)
    raise MediaInvalid("The recording's header has too many chunks.")


def _read_format(chunk: memoryview) -> tuple[str, int, int, int]:
    """Codec, sample rate in Hz, channels and bytes a frame."""
    if len(chunk) < 16:
        raise MediaTruncated("The recording's format chunk is cut off.")
    tag, channels, sample_rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _SUBFORMAT_TAIL:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    codec = PCM_IN_WAV.get((tag, bits))
    if codec is None:
        raise CodecUnsupported("The recording's sample format is not supported.")
    frame_bytes = channels * (bits // 8)
    if not 0 < frame_bytes <= 0xFFFF:
        raise MediaInvalid("The recording's number of channels is impossible.")
    if not 0 < sample_rate_hz < 2**31:
        raise MediaInvalid("The recording's sample rate is impossible.")
    return codec, sample_rate_hz, channels, frame_bytes


def _lay_out(
    data: memoryview, start: int, claimed: int, codec: str, rate_hz: int, channels: int, frame_bytes: int
) -> WavLayout:
    present = len(data) - start
    if claimed == 0 and present >= frame_bytes and not _is_chunk(data[start:]):
        raise MediaInconsistent("The recording's header says that it holds no samples, yet data follows.")
    used = min(claimed, present)
    used -= used % frame_bytes
    if used == 0:
        raise MediaEmpty("The recording has no samples.")
    truncated = present < claimed < STREAMED_BYTES
    return WavLayout(codec, rate_hz, channels, frame_bytes, start, used, truncated)


def _is_chunk(rest: memoryview) -> bool:
    """Whether ``rest``, after an empty data chunk, is another chunk and no samples."""
    if len(rest) < 8:
        return False
    name, size = struct.unpack_from("<4sI", rest)
    return all(0x20 <= byte < 0x7F for byte in name) and size <= len(rest) - 8
