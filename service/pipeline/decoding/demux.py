"""Reading packets and frames of an opened file, whatever the decoder's library: where tracks begin and end.

Containers, streams, packets and frames are PyAV's; :mod:`service.pipeline.decoding.sandbox` alone imports it and hands
them in.
"""

import io
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, BinaryIO, Final, cast

from service.pipeline.media.bare_frames import TAIL_BYTES, ends_within_frame, ends_within_page
from service.pipeline.media.sampling import AudioJob, check_format, to_float
from service.pipeline.media.tracks import SILENT_PEAK_TO_PEAK, FoundTrack
from service.problems import MediaInvalid, MediaTooLong

DAMAGED_PACKETS_SHARE: Final = 0.5
"""With more undecodable packets than this the recording is refused, with fewer it is flagged 'damaged'."""

MAX_FIRST_PACKETS: Final = 2000
"""Packets that are read to learn where each track begins; half a minute of a video."""

INDEXED: Final = frozenset({"mov"})
"""Demuxers that go from place to place for the next packet, and have a table of all of them."""

MAX_CHUNKS: Final = 1000
"""Chunks of a CAF file before its samples."""

_CAF_HEADER_BYTES: Final = 8
_CAF_CHUNK: Final = struct.Struct(">4sq")
_AU_HEADER: Final = struct.Struct(">4xII")
_AU_UNKNOWN: Final = 0xFFFFFFFF
_MICROSECONDS: Final = 1_000_000
_ENDS_EARLY: Final[dict[str, Callable[[bytes], bool]]] = {
    "ogg": ends_within_page,
    "mp3": ends_within_frame,
    "aac": ends_within_frame,
}

# PyAV's objects.
Container = Any
Stream = Any
Packet = Any


def behind(whole: BinaryIO, first_byte: int) -> BinaryIO:
    """The rest of a file from ``first_byte`` on.

    FFmpeg finds the frame that tells an encoder's delay only where a file begins with it or with one tag.
    """
    return cast(BinaryIO, _Behind(whole, first_byte)) if first_byte else whole


class _Behind(io.BufferedIOBase):
    def __init__(self, whole: BinaryIO, first_byte: int) -> None:
        self._whole, self._first_byte = whole, first_byte

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._whole.tell() - self._first_byte

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._whole.seek(offset + (self._first_byte if whence == io.SEEK_SET else 0), whence) - self._first_byte

    def read(self, size: int | None = -1) -> bytes:
        return self._whole.read(-1 if size is None else size)


class Frames:
    """Iterates over the frames of track ``index`` with their time stamps in seconds (None where there is none).

    Steps over packets whose decoding raises ``undecodable`` and counts them; notes where the packets of every track
    lie.
    """

    def __init__(
        self,
        container: Container,
        streams: list[Stream],
        index: int,
        undecodable: tuple[type[Exception], ...],
        tracks: Iterable[FoundTrack] = (),
    ) -> None:
        self._container = container
        self._streams = streams
        self._index = index
        self._undecodable = undecodable
        self._tracks = {track.index: track for track in tracks}
        self.packets = 0
        self.damaged = 0
        self.last_s = 0.0

    def __iter__(self) -> Iterator[tuple[Any, float | None]]:
        for packet in self._packets():
            end_s = note(packet, self._tracks, but=self._index)
            self.last_s = max(self.last_s, end_s or 0.0)
            if packet.stream.index != self._index:
                continue
            self.packets += 1
            try:
                frames = packet.decode()
            except EOFError:
                return
            except MemoryError:
                raise
            except self._undecodable:
                self.damaged += 1
                continue
            for frame in frames:
                yield frame, None if frame.pts is None else float(frame.pts * frame.time_base)

    def refuse_if_damaged(self) -> None:
        """Refuse a recording of which too little can be decoded. Raises MediaInvalid."""
        if self.damaged > DAMAGED_PACKETS_SHARE * self.packets:
            raise MediaInvalid("Most of the recording cannot be decoded.")

    def _packets(self) -> Iterator[Packet]:
        """Demux up to the first error of the container itself."""
        try:
            yield from self._container.demux(self._streams)
        except MemoryError:
            raise
        except self._undecodable:
            self.damaged += 1


def refuse_if_too_long(frames: Frames, job: AudioJob) -> None:
    """Count samples without converting any: half the time of decoding for use (measured).

    Raises:
        MediaTooLong, TooManyChannels, SampleRateUnsupported
    """
    samples = 0
    for frame, _ in frames:
        check_format(job, frame.sample_rate, frame.layout.nb_channels)
        samples += frame.samples
        if samples > job.max_duration_s * frame.sample_rate:
            raise MediaTooLong


def holds_silence(frames: Frames, job: AudioJob) -> bool:
    """Whether a track holds digital silence or a constant alone: decoded up to the first sound."""
    least, greatest, samples = math.inf, -math.inf, 0
    for frame, _ in frames:
        block = to_float(frame.to_ndarray())
        if block.size:
            least, greatest = min(least, float(block.min())), max(greatest, float(block.max()))
        samples += frame.samples
        if greatest - least > SILENT_PEAK_TO_PEAK:
            return False
        if samples > job.max_duration_s * frame.sample_rate:
            break
    return True


def note(packet: Packet, tracks: dict[int, FoundTrack], but: int = -1) -> float | None:
    """Note where a packet lies, of all tracks ``but`` one; return its end in seconds, None where it has no time."""
    if packet.pts is None or not packet.time_base:
        return None
    begin_s = float(packet.pts * packet.time_base)
    end_s = begin_s + float((packet.duration or 0) * packet.time_base)
    if packet.stream.index in tracks and packet.stream.index != but:
        tracks[packet.stream.index].see(begin_s, end_s)
    return end_s


def find_beginnings(container: Container, streams: list[Stream], tracks: list[FoundTrack]) -> None:
    """Read packets until every track has shown its first, for files whose headers do not tell."""
    by_index = {track.index: track for track in tracks if track.first_s is None}
    if not by_index or len(tracks) == 1:
        return  # the first frame of a track that is alone tells
    for count, packet in enumerate(container.demux(streams)):
        note(packet, by_index)
        if count >= MAX_FIRST_PACKETS or all(track.first_s is not None for track in by_index.values()):
            return


def origin_of(tracks: list[FoundTrack]) -> float | None:
    """Time stamp of the file's second 0: the beginning of its earliest track, edit lists applied."""
    return min((track.first_s for track in tracks if track.first_s is not None), default=None)


def note_indexed_ends(container: Container, tracks: list[FoundTrack], chosen: FoundTrack) -> None:
    """Take the ends of tracks that were not read from the file's table of samples, which was found whole."""
    for track in tracks:
        stream = container.streams[track.index]
        entries = stream.index_entries
        if track is chosen or len(entries) < 2 or not stream.time_base or track.first_s is None:
            continue
        last = entries[len(entries) - 1].timestamp
        length = 2 * last - entries[len(entries) - 2].timestamp - entries[0].timestamp
        track.see(track.first_s, track.first_s + float(length * stream.time_base))


def claimed_s(container: Container, stream: Stream | None = None) -> float:
    """Return the duration that the headers claim in seconds, 0 if none. Only ever a reason to look closer."""
    claims = [0.0]
    if container.duration:
        claims.append(container.duration / _MICROSECONDS)
    for one in container.streams if stream is None else [stream]:
        if one.duration and one.time_base:
            claims.append(float(one.duration * one.time_base))
    return max(claims)


def claimed_samples(container: Container) -> float:
    """Samples of all channels of all sound tracks that the headers claim, 0 where they do not."""
    contexts = [stream.codec_context for stream in container.streams.audio if stream.codec_context is not None]
    return claimed_s(container) * float(sum(context.sample_rate * context.channels for context in contexts))


def ends_early(upload: BinaryIO, container: str) -> bool:
    """Whether a file ends within a frame, a page or the chunk of its samples."""
    if container == "au":
        return _au_is_cut(upload)
    if container == "caf":
        return _caf_is_cut(upload)
    look = _ENDS_EARLY.get(container)
    if look is None:
        return False
    upload.seek(max(0, upload.seek(0, io.SEEK_END) - TAIL_BYTES))
    return look(upload.read(TAIL_BYTES))


def _caf_is_cut(upload: BinaryIO) -> bool:
    """Whether the data chunk of a CAF file is longer than what is there; a length of −1 means the rest."""
    size = upload.seek(0, io.SEEK_END)
    position = _CAF_HEADER_BYTES
    for _ in range(MAX_CHUNKS):
        upload.seek(position)
        header = upload.read(_CAF_CHUNK.size)
        if len(header) < _CAF_CHUNK.size:
            return False
        name, length = _CAF_CHUNK.unpack(header)
        position += _CAF_CHUNK.size + length
        if name == b"data" or length < 0:
            return bool(length >= 0 and position > size)
    return False


def _au_is_cut(upload: BinaryIO) -> bool:
    """Whether an AU file's header promises more bytes than are there; the greatest length means unknown."""
    size = upload.seek(0, io.SEEK_END)
    upload.seek(0)
    header = upload.read(_AU_HEADER.size)
    if len(header) < _AU_HEADER.size:
        return False
    start, length = _AU_HEADER.unpack(header)
    return bool(length != _AU_UNKNOWN and start + length > size)


def told(tracks: list[FoundTrack], chosen: FoundTrack, silent: set[int], origin_s: float) -> list[dict[str, object]]:
    """Every track as the answer lists it; ``silent`` holds the indices of silent ones."""
    return [
        asdict(track.told(origin_s, used=track is chosen, silent=True if track.index in silent else None))
        for track in tracks
    ]
