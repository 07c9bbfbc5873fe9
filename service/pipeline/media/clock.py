"""The presentation clock of a sound track: where each decoded block belongs, whatever its time stamp says.

Second 0 is the beginning of the file's earliest track, as mpv and VLC count: a file whose time stamps begin at an hour
begins at 0, and sound that starts later than the picture starts late. Time that has no sound is silence.
"""

from dataclasses import dataclass
from typing import Final

from service.pipeline.results import MAX_SPANS, Span
from service.problems import MediaTooLong

JITTER_S: Final = 0.04
"""Time stamps this close to where the sound is are believed to mean that: containers round to a millisecond and more,
frames of lossy codecs last up to 64 ms, and 40 ms out of step with a face is not seen (ITU-R BT.1359)."""

OVERLAP_S: Final = 1.0
"""Sound that goes back by less than this repeats what was there and is left out; more is a clock that was set anew."""

TOLD_GAP_S: Final = 0.25
"""Shorter stretches without sound are not told: they are as long as a pause between words, and many a whole file
starts or ends its sound a few frames from its pictures."""


@dataclass(frozen=True)
class Placement:
    """Position of a block: samples of silence before it, and the number of its first samples to leave out."""

    silence: int
    skip: int


class SoundClock:
    """Places the blocks of one track one behind the other on the presentation clock.

    Args:
        rate_hz: sample rate of the track.
        origin_s: time stamp that is second 0; None makes the first block's time stamp that.
        max_samples: more than this from second 0 on, sound and silence together, is refused.
    """

    def __init__(self, rate_hz: int, origin_s: float | None, max_samples: int) -> None:
        self._rate_hz = rate_hz
        self._origin_s = origin_s
        self._max_samples = max_samples
        self._offset_s = 0.0
        self._expected_s: float | None = None
        self._gaps: list[tuple[int, int]] = []
        self.position = 0
        self.sound_begins: int | None = None
        self.repaired = False

    def place(self, stamp_s: float | None, samples: int) -> Placement:
        """Place a block of ``samples`` with the time stamp ``stamp_s``; None means that it has none.

        Raises:
            MediaTooLong: it ends behind the longest recording.
        """
        placement = Placement(0, 0) if stamp_s is None else self._place(stamp_s, samples)
        self._expected_s = None if stamp_s is None else stamp_s + samples / self._rate_hz
        if self.position + placement.silence + samples - placement.skip > self._max_samples:
            raise MediaTooLong
        if placement.silence:
            self._add_gap(self.position, self.position + placement.silence)
        self.position += placement.silence
        if self.sound_begins is None and samples > placement.skip:
            self.sound_begins = self.position
        self.position += samples - placement.skip
        return placement

    def fill(self, end_s: float) -> int:
        """Samples of silence up to the time stamp ``end_s``, where other tracks end; 0 where that is near.

        Raises:
            MediaTooLong
        """
        missing = round((end_s - (self._origin_s or 0.0)) * self._rate_hz) - self.position
        if missing <= JITTER_S * self._rate_hz:
            return 0
        if self.position + missing > self._max_samples:
            raise MediaTooLong
        self._add_gap(self.position, self.position + missing)
        self.position += missing
        return missing

    @property
    def gaps(self) -> list[Span]:
        """Spans of :data:`TOLD_GAP_S` and more without any sound in the file, in order."""
        least = TOLD_GAP_S * self._rate_hz
        return [(begin / self._rate_hz, end / self._rate_hz) for begin, end in self._gaps if end - begin >= least]

    def _place(self, stamp_s: float, samples: int) -> Placement:
        if self._origin_s is None:
            self._origin_s = stamp_s
        if self._expected_s is not None and self._continues(stamp_s):
            ahead = self._ahead(stamp_s, self._offset_s)
            if abs(ahead) <= JITTER_S * self._rate_hz:
                return Placement(0, 0)
        as_told = self._ahead(stamp_s, 0.0)
        if as_told >= -JITTER_S * self._rate_hz:
            self._offset_s = 0.0
            return Placement(as_told if as_told > JITTER_S * self._rate_hz else 0, 0)
        since_reset = self._ahead(stamp_s, self._offset_s)
        if self._offset_s and since_reset >= -JITTER_S * self._rate_hz:
            return Placement(since_reset if since_reset > JITTER_S * self._rate_hz else 0, 0)
        if self.position:
            self.repaired = True
        if -as_told <= OVERLAP_S * self._rate_hz:
            return Placement(0, min(-as_told, samples))
        self._offset_s = self.position / self._rate_hz + (self._origin_s or 0.0) - stamp_s
        return Placement(0, 0)

    def _continues(self, stamp_s: float) -> bool:
        """Whether a block begins where the one before ended, by their own time stamps."""
        return self._expected_s is not None and abs(stamp_s - self._expected_s) <= JITTER_S

    def _ahead(self, stamp_s: float, offset_s: float) -> int:
        """Samples from the present end of the sound to a time stamp; negative where it lies before."""
        seconds = stamp_s + offset_s - (self._origin_s or 0.0)
        limit = 2.0 * (self._max_samples + self._rate_hz)  # no time stamp makes a number that cannot be handled
        return round(min(max(seconds * self._rate_hz, -limit), limit)) - self.position

    def _add_gap(self, begin: int, end: int) -> None:
        if len(self._gaps) >= MAX_SPANS:
            begin = self._gaps.pop()[0]
        self._gaps.append((begin, end))
