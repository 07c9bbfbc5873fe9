"""Files that are a row of frames and no more: where the first begins, and whether the last is whole.

MPEG audio of layers II and III (ISO 11172-3, 13818-3), AAC in ADTS (ISO 13818-7) and pages of Ogg (RFC 3533). Pure
functions over bytes.
"""

from typing import Final, Literal

from service.problems import MediaTruncated

MAX_PADDING_BYTES: Final = 1024 * 1024
"""Zeros before the first frame that are stepped over; tools that edit tags leave them."""

MAX_SYNC_SEARCH_BYTES: Final = 64 * 1024
"""Distance behind tags and zeros within which frames are looked for: a stream may begin in the middle of one."""

FRAMES_IN_A_ROW: Final = 3
"""Frames that must follow one another where the first is not the first byte; fewer only where the file ends."""

TAIL_BYTES: Final = 72 * 1024
"""As much of a file's end as holds the beginning of its last frame or Ogg page (at most 65,307 bytes)."""

FrameKind = Literal["mp3", "aac"]

_BITRATES_KBIT: Final = {
    # (is MPEG-1, layer): ISO 11172-3, 2.4.2.3, and ISO 13818-3, 2.4.2.3.
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def find_frames(view: memoryview) -> tuple[FrameKind, int] | None:
    """Tell which kind of frames a file consists of and where the first begins, behind tags, zeros and a cut frame.

    Raises:
        MediaTruncated: the file ends within its tags.
    """
    start = _after_tags(view)
    if start and start >= len(view):
        raise MediaTruncated("The upload ends within its tags.")
    padding = bytes(view[start : start + MAX_PADDING_BYTES])
    start += len(padding) - len(padding.lstrip(b"\0"))
    if _chain(view, start, 2):
        return _kind_at(view, start), start
    searched = bytes(view[start : start + MAX_SYNC_SEARCH_BYTES])
    at = searched.find(b"\xff")
    while at >= 0:
        if _chain(view, start + at, FRAMES_IN_A_ROW) and start + at + _frame(view, start + at)[0] < len(view):
            return _kind_at(view, start + at), start + at
        at = searched.find(b"\xff", at + 1)
    return None


def tells_length(view: memoryview, start: int) -> bool:
    """Whether the frame at ``start`` is the one in which encoders say how many follow."""
    head = bytes(view[start : start + 192])
    return any(name in head for name in (b"Xing", b"Info", b"VBRI"))


def ends_within_frame(tail: bytes) -> bool:
    """Whether the last frame is cut off, from the last bytes of a file that consists of frames."""
    view = memoryview(tail)
    if len(view) >= 128 and bytes(view[-128:-125]) == b"TAG":
        view = view[:-128]
    at = bytes(view).find(b"\xff")
    while at >= 0:
        position, frames = at, 0
        while (length := _frame(view, position)[0]) and position + length <= len(view):
            position, frames = position + length, frames + 1
        if frames >= FRAMES_IN_A_ROW:
            return bool(_frame(view, position)[0])
        at = bytes(view).find(b"\xff", at + 1)
    return False


def ends_within_page(tail: bytes) -> bool:
    """Whether the last page is cut off, from the last bytes of an Ogg file."""
    at = tail.rfind(b"OggS")
    if at < 0:
        return False
    header = tail[at : at + 27]
    if len(header) < 27:
        return True
    sizes = tail[at + 27 : at + 27 + header[26]]
    return len(sizes) < header[26] or at + 27 + len(sizes) + sum(sizes) > len(tail)


def _after_tags(view: memoryview) -> int:
    """Offset of the end of the ID3v2 tags at the beginning, 0 if there are none."""
    start = 0
    while bytes(view[start : start + 3]) == b"ID3" and len(view) - start >= 10:
        size = 0
        for byte in view[start + 6 : start + 10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size + (10 if view[start + 5] & 0x10 else 0)
    return start


def _kind_at(view: memoryview, start: int) -> FrameKind:
    return "aac" if _frame(view, start)[1][0] == "aac" else "mp3"


def _chain(view: memoryview, start: int, count: int) -> bool:
    """Whether ``count`` frames of one kind follow one another from ``start``, or as many as the file has."""
    first = _frame(view, start)
    for _ in range(count):
        length, kind = _frame(view, start)
        if not length or kind != first[1]:
            return False
        start += length
        if start + 7 > len(view):
            return True
    return True


def _frame(view: memoryview, start: int) -> tuple[int, tuple[str, int, int]]:
    """Length of the frame at ``start``, 0 if there is none, and what all frames of its stream share."""
    none = (0, ("", 0, 0))
    if start + 4 > len(view):
        return none
    header = int.from_bytes(view[start : start + 4], "big")
    if header >> 21 != 0x7FF:
        return none
    version, layer = header >> 19 & 3, 4 - (header >> 17 & 3)
    if layer == 4:
        return _adts_frame(view, start, header)
    bitrate, rate = header >> 12 & 15, header >> 10 & 3
    if version == 1 or layer == 1 or bitrate in (0, 15) or rate == 3:
        return none
    is_mpeg1 = version == 3
    samples_over_8 = 72 if layer == 3 and not is_mpeg1 else 144
    length = samples_over_8 * 1000 * _BITRATES_KBIT[is_mpeg1, layer][bitrate] // _RATES_HZ[version][rate]
    return length + (header >> 9 & 1), (f"layer {layer}", version, rate)


def _adts_frame(view: memoryview, start: int, header: int) -> tuple[int, tuple[str, int, int]]:
    """The same of AAC, whose sync word is 12 bits and whose layer is 0."""
    rate = header >> 10 & 15
    if header >> 20 != 0xFFF or rate > 12 or start + 7 > len(view):
        return 0, ("", 0, 0)
    length = (header & 3) << 11 | view[start + 4] << 3 | view[start + 5] >> 5
    return (length if length > 7 else 0), ("aac", header >> 14 & 3, rate)
