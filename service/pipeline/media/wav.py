"""The RIFF/WAVE header, read without trust in its numbers. Pure functions over bytes."""

import struct
from dataclasses import dataclass, replace
from typing import Final

from service.flags import Flag
from service.pipeline.media.containers import BLOCKS_IN_WAV, PCM_IN_WAV, WAV_CODECS
from service.problems import CodecUnsupported, MediaEmpty, MediaInvalid, MediaTruncated

MAX_CHUNKS: Final = 1000
"""Most chunks before the samples; real recorders write fewer than ten."""

STREAMED_BYTES: Final = 0x7FFF_0000
"""Data length from which it is a placeholder, written by programs that write to a pipe (FFmpeg, SoX, arecord)."""

MAX_JOINED: Final = 1000
"""WAV files in one file."""

LOOKED_AT_BYTES: Final = 512
"""Behind the last chunk; zeros there are padding."""

_PLAIN: Final = frozenset(PCM_IN_WAV.values())
_KNOWN_CHUNKS: Final = frozenset(
    {b"LIST", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"JUNK", b"iXML", b"_PMX"}
)

_EXTENSIBLE: Final = 0xFFFE
_SUBFORMAT_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")


@dataclass(frozen=True)
class WavLayout:
    """Position of the samples in a WAV file.

    Attributes:
        codec: FFmpeg's name.
        frame_bytes: bytes of one sample of every channel; of codecs in blocks, of a block.
        data_start, data_bytes: bytes that are there, of plain PCM a whole number of frames.
        truncated: the header promises more samples than there are.
        header_repaired: the header's length was 0 and is not, or files of one kind follow one another.
        trailing_data: something lies behind the samples that is neither a chunk nor padding, and is left out.
        joined: start and bytes of the samples of further WAV files behind the first, of the same format.
    """

    codec: str
    sample_rate_hz: int
    channels: int
    frame_bytes: int
    data_start: int
    data_bytes: int
    truncated: bool
    header_repaired: bool = False
    trailing_data: bool = False
    joined: tuple[tuple[int, int], ...] = ()

    def flags(self) -> dict[str, bool]:
        """Flags of the file."""
        return {
            Flag.TRUNCATED: self.truncated,
            Flag.HEADER_REPAIRED: self.header_repaired,
            Flag.TRAILING_DATA: self.trailing_data,
        }


@dataclass(frozen=True)
class _Format:
    codec: str
    sample_rate_hz: int
    channels: int
    frame_bytes: int


def read_layout(data: memoryview) -> WavLayout:
    """Read the header of a file that begins with RIFF....WAVE, and look at what follows its samples.

    Lengths are those of the bytes that are there: a length that promises more sets ``truncated``, unless it is the
    placeholder of a stream; a length of zero before samples means all that follows.

    Raises:
        MediaTruncated, MediaInvalid, MediaEmpty, CodecUnsupported
    """
    first = _read_one(data, 0)
    joined: list[tuple[int, int]] = []
    truncated, end, is_whole = first.truncated, first.data_start + first.data_bytes, True
    if not first.truncated:
        end, is_whole = _skip_chunks(data, end)
    while is_whole and _is_wave(data[end : end + 12]) and len(joined) < MAX_JOINED and first.codec in _PLAIN:
        try:
            following = _read_one(data, end)
        except (MediaInvalid, CodecUnsupported):
            break
        if _format_of(following) != _format_of(first):
            break
        joined.append((following.data_start, following.data_bytes))
        truncated = following.truncated
        end, is_whole = _skip_chunks(data, following.data_start + following.data_bytes)
    return replace(
        first,
        truncated=truncated,
        header_repaired=first.header_repaired or bool(joined),
        trailing_data=not truncated and len(data) - end > 1 and any(data[end : end + LOOKED_AT_BYTES]),
        joined=tuple(joined),
    )


def _read_one(data: memoryview, start: int) -> WavLayout:
    position = start + 12
    form: _Format | None = None
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
            return _lay_out(data, position, size, form)
        position += size + (size & 1)
    raise MediaInvalid("The recording's header has too many chunks.")


def _read_format(chunk: memoryview) -> _Format:
    if len(chunk) < 16:
        raise MediaTruncated("The recording's format chunk is cut off.")
    tag, channels, sample_rate_hz, _, block_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _SUBFORMAT_TAIL:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    codec = PCM_IN_WAV.get((tag, bits))
    frame_bytes = channels * (bits // 8)
    if codec is None:
        codec, frame_bytes = BLOCKS_IN_WAV.get(tag), block_bytes
    if codec is None:
        raise CodecUnsupported(
            f"The WAV file's sample format is {tag:#06x} with {bits} bits; taken are {', '.join(WAV_CODECS)}."
        )
    if not 0 < frame_bytes <= 0xFFFF or not channels:
        raise MediaInvalid("The recording's number of channels is impossible.")
    if not 0 < sample_rate_hz < 2**31:
        raise MediaInvalid("The recording's sample rate is impossible.")
    return _Format(codec, sample_rate_hz, channels, frame_bytes)


def _lay_out(data: memoryview, start: int, claimed: int, form: _Format) -> WavLayout:
    present = len(data) - start
    is_repaired = claimed == 0 and present >= form.frame_bytes and not _is_chunk(data[start:])
    used = present if is_repaired else min(claimed, present)
    if form.codec in _PLAIN:
        used -= used % form.frame_bytes
    if used == 0:
        raise MediaEmpty("The recording has no samples.")
    return WavLayout(
        form.codec,
        form.sample_rate_hz,
        form.channels,
        form.frame_bytes,
        start,
        used,
        truncated=present < claimed < STREAMED_BYTES,
        header_repaired=is_repaired,
    )


def _format_of(layout: WavLayout) -> _Format:
    return _Format(layout.codec, layout.sample_rate_hz, layout.channels, layout.frame_bytes)


def _skip_chunks(data: memoryview, position: int) -> tuple[int, bool]:
    """Step over the chunks behind the samples; return where they end, and whether all of them are whole."""
    position += bool(position & 1 and position < len(data) and data[position] == 0)
    for _ in range(MAX_CHUNKS):
        if len(data) - position < 8 or _is_wave(data[position : position + 12]):
            return position, True
        name, size = struct.unpack_from("<4sI", data, position)
        if not _is_name(name):
            return position, True
        if size > len(data) - position - 8:
            return (len(data) if name in _KNOWN_CHUNKS else position), False
        position += 8 + size + (size & 1)
    return position, True


def _is_wave(head: memoryview) -> bool:
    return len(head) == 12 and bytes(head[:4]) == b"RIFF" and bytes(head[8:]) == b"WAVE"


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


def _is_chunk(rest: memoryview) -> bool:
    """Whether ``rest``, after an empty data chunk, is another chunk and no samples."""
    if len(rest) < 8:
        return False
    name, size = struct.unpack_from("<4sI", rest)
    return _is_name(name) and size <= len(rest) - 8
