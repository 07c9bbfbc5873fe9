"""Detection of the container from the content alone, never from a name or ``Content-Type``."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.pipeline.media.boxes import check_movie
from service.pipeline.media.containers import AUDIO_CODECS, DEMUXERS
from service.pipeline.media.wav import WavLayout, read_layout
from service.problems import ContainerUnsupported, MediaEmpty, MediaTruncated

LONGEST_MAGIC_BYTES: Final = 12
"""Bytes that the longest magic number takes."""

MAX_SYNC_SEARCH_BYTES: Final = 4096
"""Longest distance of the first MPEG frame from the end of an ID3 tag; encoders pad tags with zeros."""

_MOVIE_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})


@dataclass(frozen=True)
class Container:
    """A permitted container.

    Attributes:
        name: 'wav', 'flac', 'ogg', 'mp3', 'mp4' or 'webm'.
        demuxer: the one FFmpeg demuxer that may read it.
        audio_codecs: canonical names of its permitted audio codecs.
        wav: layout of a WAV file, else None.
        tracks: number of tracks in the index of an MP4 file, else 0.
    """

    name: str
    demuxer: str
    audio_codecs: frozenset[str]
    wav: WavLayout | None = None
    tracks: int = 0


def sniff(data: bytes | memoryview) -> Container:
    """Detect the container of an upload, and check its structure as far as that needs no decoder.

    Raises:
        MediaEmpty: the upload has no bytes.
        MediaTruncated: the upload ends in its header, or is a cut-off MP4 file.
        ContainerUnsupported: the container is not permitted.
        MediaInvalid, MediaInconsistent, CodecUnsupported, MediaExternalReference: a header is wrong.
    """
    view = memoryview(data).cast("B")
    if not view:
        raise MediaEmpty("The upload has no bytes.")
    name = _name(view)
    if name is None:
        if _could_begin_a_container(bytes(view[:LONGEST_MAGIC_BYTES])):
            raise MediaTruncated("The upload ends within the first bytes of its header.")
        raise ContainerUnsupported
    wav = read_layout(view) if name == "wav" else None
    tracks = check_movie(view) if name == "mp4" else 0
    return Container(name, DEMUXERS[name], AUDIO_CODECS[name], wav, tracks)


def _name(view: memoryview) -> str | None:
    for name, matches in _MAGIC.items():
        if matches(view):
            return name
    return None


def _could_begin_a_container(head: bytes) -> bool:
    """Whether ``head``, shorter than a magic number, is the beginning of one."""
    if len(head) >= LONGEST_MAGIC_BYTES:
        return False
    if head[:4] == b"RIFF":
        return b"WAVE".startswith(head[8:])
    magics = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3")
    return any(magic.startswith(head) for magic in magics) or head[4:8] == b"ftyp"


def _is_wav(view: memoryview) -> bool:
    return bytes(view[:4]) == b"RIFF" and bytes(view[8:12]) == b"WAVE"


def _is_flac(view: memoryview) -> bool:
    return bytes(view[:4]) == b"fLaC"


def _is_ogg(view: memoryview) -> bool:
    return bytes(view[:4]) == b"OggS"


def _is_webm(view: memoryview) -> bool:
    """Whether an EBML header names a DocType (element 0x4282) of Matroska."""
    head = bytes(view[:256])
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return False
    at = head.find(b"\x42\x82")
    if at < 0 or at + 3 > len(head):
        return False
    length = head[at + 2] & 0x7F
    return head[at + 3 : at + 3 + length].rstrip(b"\0") in {b"webm", b"matroska"}


def _is_mp4(view: memoryview) -> bool:
    if len(view) < 12:
        return False
    size, kind = struct.unpack_from(">I4s", view)
    return kind in _MOVIE_BOXES and (size in (0, 1) or size >= 8)


def _is_mp3(view: memoryview) -> bool:
    """Whether MPEG layer III frames follow, directly or after ID3v2 tags."""
    start = _after_id3(view)
    if start == 0:
        return _is_frame_chain(view, 0)
    if start >= len(view):
        raise MediaTruncated("The upload ends within its tags.")
    stop = min(start + MAX_SYNC_SEARCH_BYTES, len(view))
    while start < stop and view[start] == 0:
        start += 1
    return start < stop and _is_frame_chain(view, start)


def _after_id3(view: memoryview) -> int:
    """End of the ID3v2 tag at the beginning, 0 if there is none."""
    if bytes(view[:3]) != b"ID3" or len(view) < 10:
        return 0
    size = 0
    for byte in view[6:10]:
        size = size << 7 | byte & 0x7F
    footer = 10 if view[5] & 0x10 else 0
    return 10 + size + footer


def _is_frame_chain(view: memoryview, start: int) -> bool:
    """Whether a layer III frame begins at ``start``, and another follows unless the file ends."""
    length = _frame_bytes(view, start)
    if length == 0:
        return False
    behind = start + length
    return behind + 4 > len(view) or _frame_bytes(view, behind) > 0


_BITRATES_KBIT: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG-1 (ISO 11172-3, 2.4.2.3)
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG-2, 2.5 (ISO 13818-3, 2.4.2.3)
}
_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _frame_bytes(view: memoryview, start: int) -> int:
    """Length of the MPEG layer III frame at ``start``, 0 if there is none."""
    if start + 4 > len(view):
        return 0
    header = int.from_bytes(view[start : start + 4], "big")
    version, layer = header >> 19 & 3, header >> 17 & 3
    bitrate, rate = header >> 12 & 15, header >> 10 & 3
    if header >> 21 != 0x7FF or version == 1 or layer != 1 or bitrate in (0, 15) or rate == 3:
        return 0
    is_mpeg1 = version == 3
    samples_over_8 = 144 if is_mpeg1 else 72
    padding = header >> 9 & 1
    return samples_over_8 * 1000 * _BITRATES_KBIT[is_mpeg1][bitrate] // _RATES_HZ[version][rate] + padding


_MAGIC: Final[dict[str, Callable[[memoryview], bool]]] = {
    "wav": _is_wav,
    "flac": _is_flac,
    "ogg": _is_ogg,
    "webm": _is_webm,
    "mp4": _is_mp4,
    "mp3": _is_mp3,
}
