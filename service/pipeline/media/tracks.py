"""The tracks of a file: which one is judged, when each begins and ends, and what is told of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from service.pipeline.results import Track
from service.problems import Unprocessable

SOUND: Final = "sound"
PICTURE: Final = "picture"

SILENT_PEAK_TO_PEAK: Final = 2.0 / 32768
"""One step of 16 bits up and down: dither and lossy coding of digital silence stay within."""

MAX_LANGUAGE_CHARACTERS: Final = 16


@dataclass
class FoundTrack:
    """One track while its file is read.

    Attributes:
        index: of the stream in the container.
        about: what is told of it; times are filled in by :meth:`told`.
        is_decodable: whether its codec is one that may be decoded.
        first_s, last_s: least beginning and greatest end of its packets so far, as the file stamps them.
    """

    index: int
    about: Track
    is_decodable: bool
    first_s: float | None = None
    last_s: float | None = None

    def see(self, begin_s: float, end_s: float) -> None:
        """Note a packet."""
        self.first_s = begin_s if self.first_s is None else min(self.first_s, begin_s)
        self.last_s = end_s if self.last_s is None else max(self.last_s, end_s)

    def told(self, origin_s: float, *, used: bool, silent: bool | None) -> Track:
        """The track as the answer lists it, on the clock whose second 0 is ``origin_s``."""
        start_s = None if self.first_s is None else max(0.0, round(self.first_s - origin_s, 6))
        end_s = None if self.last_s is None else max(0.0, round(self.last_s - origin_s, 6))
        return replace(self.about, used=used, silent=silent, start_s=start_s, end_s=end_s)


def choose_track(
    tracks: list[FoundTrack], wanted: int | None, is_silent: Callable[[FoundTrack], bool], pointer: str
) -> tuple[FoundTrack, set[int]]:
    """Choose among the tracks of one kind, of which there is at least one.

    A number chooses. Else it is the track marked default that can be decoded and is not silent, then the first such
    track, then the one that would have been taken had it not been silent.

    Args:
        tracks: in the order of the file.
        wanted: number among them.
        is_silent: listens to a track; asked only where there is a choice.
        pointer: the parameter by which ``wanted`` came.

    Returns:
        The track, and the indices of those that were found silent on the way.

    Raises:
        Unprocessable: there is no track of that number.
    """
    if wanted is not None:
        if not 0 <= wanted < len(tracks):
            raise Unprocessable(f"The recording has {len(tracks)} such tracks, counted from 0.", pointer=pointer)
        return tracks[wanted], set()
    candidates = [track for track in by_preference(tracks) if track.is_decodable]
    if len(candidates) < 2:
        return (candidates or tracks)[0], set()
    silent: set[int] = set()
    for track in candidates:
        if not is_silent(track):
            return track, silent
        silent.add(track.index)
    return candidates[0], silent


def by_preference(tracks: Iterable[FoundTrack]) -> list[FoundTrack]:
    """Those marked default first, each part in the order of the file."""
    return sorted(tracks, key=lambda track: not track.about.default)


def language_of(tag: str | None) -> str | None:
    """A language tag that can be told on: letters, digits and hyphens; None for 'und' and anything else."""
    if not tag or tag == "und" or len(tag) > MAX_LANGUAGE_CHARACTERS:
        return None
    return tag if tag.replace("-", "").isascii() and tag.replace("-", "").isalnum() else None
