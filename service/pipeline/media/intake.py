"""Detection of the container from the content alone, never from a name or ``Content-Type``."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.pipeline.media.bare_frames import find_frames, tells_length
from service.pipeline.media.boxes import check_movie
from service.pipeline.media.containers import AUDIO_CODECS, CLAIM_LENGTH, DEMUXERS, TITLES
from service.pipeline.media.wav import WavLayout, read_layout
from service.problems import ContainerUnsupported, MediaEmpty, MediaTruncated

LONGEST_MAGIC_BYTES: Final = 16
_MOVIE_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})


@dataclass(frozen=True)
class Container:
    """A permitted container.

    Attributes:
        name: a key of :data:`DEMUXERS`.
        demuxer: the one FFmpeg demuxer that may read it.
        audio_codecs: canonical names of the codecs that may be decoded from it.
        wav: where the samples of a WAV file lie.
        tracks: tracks that the index of an MP4 file lists, else 0.
        claims_length: whether its header says how long it is.
        first_byte: offset at which the demuxer begins; tags and zeros before it are nothing to decode.
    """

    name: str
    demuxer: str
    audio_codecs: frozenset[str]
    wav: WavLayout | None = None
    tracks: int = 0
    claims_length: bool = False
    first_byte: int = 0


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
    name = next((name for name, matches in _MAGIC.items() if matches(view)), None)
    if name is None:
        return _frames_alone(view)
    wav = read_layout(view) if name == "wav" else None
    tracks = check_movie(view) if name == "mp4" else 0
    return Container(name, DEMUXERS[name], AUDIO_CODECS[name], wav, tracks, name in CLAIM_LENGTH)


def _frames_alone(view: memoryview) -> Container:
    """MPEG audio without a container, or a refusal."""
    head = bytes(view[:LONGEST_MAGIC_BYTES])
    if _could_begin_a_container(head):
        raise MediaTruncated("The upload ends within the first bytes of its header.")
    foreign = next((title for magic, title in _FOREIGN if head.startswith(magic)), None)
    if foreign is not None:
        raise refused(foreign)
    found = find_frames(view)
    if found is None:
        raise refused(_kind_of_text(bytes(view[:256])))
    name, start = found
    claims_length = name == "mp3" and tells_length(view, start)
    return Container(name, DEMUXERS[name], AUDIO_CODECS[name], claims_length=claims_length, first_byte=start)


def refused(found: str) -> ContainerUnsupported:
    """The refusal of a file that is ``found``, with what is taken."""
    return ContainerUnsupported(f"The file is {found}. Taken are {', '.join(TITLES.values())}.")


def _kind_of_text(head: bytes) -> str:
    is_text = all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in head)
    return "a text" if is_text else "of no known kind"


def _could_begin_a_container(head: bytes) -> bool:
    """Whether ``head``, shorter than a magic number, is the beginning of one."""
    if len(head) >= LONGEST_MAGIC_BYTES:
        return False
    if head[:4] == b"RIFF":
        return b"WAVE".startswith(head[8:]) or b"AVI ".startswith(head[8:])
    if head[:4] == b"FORM":
        return b"AIFF".startswith(head[8:]) or b"AIFC".startswith(head[8:])
    magics = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3", b"FORM", b".snd", b"caff", _ASF, b"#!AMR-WB\n")
    return any(magic.startswith(head) for magic in magics) or head[4:8] == b"ftyp"


def _is_wav(view: memoryview) -> bool:
    return bytes(view[:4]) == b"RIFF" and bytes(view[8:12]) == b"WAVE"


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


def _is_aiff(view: memoryview) -> bool:
    return bytes(view[:4]) == b"FORM" and bytes(view[8:12]) in (b"AIFF", b"AIFC")


def _is_mpegts(view: memoryview) -> bool:
    """Sync bytes of three packets of 188 bytes, or of 192 with a time stamp before each (ISO 13818-1, M2TS)."""
    return any(
        len(view) >= first + 3 * step and all(view[first + step * packet] == 0x47 for packet in range(3))
        for first, step in ((0, 188), (4, 192))
    )


def _begins_with(*magics: bytes) -> Callable[[memoryview], bool]:
    return lambda view: any(bytes(view[: len(magic)]) == magic for magic in magics)


_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")

_MAGIC: Final[dict[str, Callable[[memoryview], bool]]] = {
    "wav": _is_wav,
    "flac": _begins_with(b"fLaC"),
    "ogg": _begins_with(b"OggS"),
    "webm": _is_webm,
    "mp4": _is_mp4,
    "aiff": _is_aiff,
    "au": _begins_with(b".snd"),
    "caf": _begins_with(b"caff"),
    "asf": _begins_with(_ASF),
    "amr": _begins_with(b"#!AMR\n", b"#!AMR-WB\n"),
    "mpegts": _is_mpegts,
    "avi": lambda view: bytes(view[:4]) == b"RIFF" and bytes(view[8:12]) == b"AVI ",
    "flv": _begins_with(b"FLV\x01"),
}

_FOREIGN: Final[tuple[tuple[bytes, str], ...]] = (
    (b"RIFX", "a RIFX file"),
    (b"RF64", "an RF64 file"),
    (b"riff", "a W64 file"),
    (b"RIFF", "a RIFF file that is neither WAV nor AVI"),
    (b"\0\0\x01\xba", "an MPEG program stream"),
    (b"\x1a\x45\xdf\xa3", "an EBML file that is neither WebM nor Matroska"),
    (b"MThd", "a MIDI file"),
    (b"MAC ", "a Monkey's Audio file"),
    (b"wvpk", "a WavPack file"),
    (b"TTA1", "a True Audio file"),
    (b"MPCK", "a Musepack file"),
    (b".RMF", "a RealMedia file"),
    (b"DSD ", "a DSF file"),
    (b"#!SILK", "a SILK file"),
    (b"\x02#!SILK", "a SILK file"),
    (b"#!AMR", "an AMR file of several channels"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"#!", "a script"),
    (b"<", "a text in HTML or XML"),
)
"""Beginnings of what is refused, and what the refusal calls it."""
