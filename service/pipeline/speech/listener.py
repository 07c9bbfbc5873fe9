"""The listening core: it takes one channel of sound in blocks and gives its windows and its utterances.

Uploads, streams and jobs all listen through it. An upload is one block, a stream many small ones, a job stretches
between which everything that is known is written down. What is heard does not depend on the cuts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray
from service.pipeline.speech.extent import Extent, Gaps, is_silent
from service.pipeline.speech.profile import Place
from service.pipeline.speech.resampling import HeldSamples
from service.pipeline.speech.utterances import UtteranceClip, UtteranceFinder, UtteranceRule, Utterances
from service.pipeline.speech.voice_activity import RunChunk, Steps, VoiceActivity, VoiceListener
from service.pipeline.speech.windows import WindowRule, Windows

LEAST_SPEECH_SHARE = 0.1
"""A window with less speech is not judged: in a 3 s window that is 0.3 s, about one syllable."""


@dataclass(frozen=True)
class HeardWindows:
    """Windows and utterances of one channel that the last block completed.

    Attributes:
        windows: where the windows lie.
        shares: float32 [windows], share of each that is speech, 0…1; without voice activity 1 for sound, 0 for silence;
            NaN in a gap of the sound.
        clips: samples to be judged, float32 [length] each: of the windows with enough speech, cut to their voice, and
            of the utterances; equal ones once.
        of_windows: for each window with enough speech the number of its clip.
        of_utterances: int64 [clips of utterances, 2], for each the number of its clip and that of its utterance.
        utterances: those that have ended.
        steps: the voice activity's steps since the last block; empty without one.
        places: for each clip its first sample in the channel and the one behind its last.
        first_needed: sample before which no later clip begins.
        pieces: of voice, to tell who speaks.
    """

    windows: Windows
    shares: FloatArray
    clips: list[FloatArray]
    of_windows: list[int]
    of_utterances: NDArray[np.int64]
    utterances: Utterances
    steps: Steps
    places: Sequence[Place] = ()
    first_needed: int = 0
    pieces: Sequence[UtteranceClip] = ()


class ChannelListener:
    """Listens to one channel. Not thread-safe: blocks of sound follow each other.

    Args:
        rule: where the windows lie; None where only speech is looked for.
        rate_hz: of the samples.
        voice: voice activity, or None: then all sound is speech, and there are no utterances.
        n_samples: length of the recording, or None where nobody knows it before its end.
        cut: how clips are cut to their voice, and what an utterance is; None leaves clips as long as their windows.
        judges_windows: whether the clips of windows are given; those of utterances always are.
        least_share: share of speech from which on a window is judged, 0…1.
        gaps: stretches without sound: nobody speaks there, and a window that lies in one is not judged.
        pieces: how voice is cut to tell who speaks; None where nobody asks.
    """

    def __init__(
        self,
        rule: WindowRule | None,
        rate_hz: int,
        voice: VoiceActivity | None,
        n_samples: int | None = None,
        *,
        cut: UtteranceRule | None = None,
        judges_windows: bool = True,
        least_share: float = LEAST_SPEECH_SHARE,
        gaps: Gaps | None = None,
        pieces: UtteranceRule | None = None,
    ) -> None:
        self._gaps = gaps
        self._extent = None if n_samples is None else Extent(n_samples, rate_hz)
        self._rule = rule
        self._rate_hz = rate_hz
        self._cut = cut
        self._least_share = least_share
        self._judges_windows = judges_windows
        self._voice = None if voice is None else VoiceListener(voice, rate_hz, gaps)
        self._finder: UtteranceFinder | None = None
        if voice is not None and cut is not None:
            self._finder = UtteranceFinder(cut, voice)
        self._piece_finder: UtteranceFinder | None = None
        if voice is not None and pieces is not None:
            self._piece_finder = UtteranceFinder(pieces, voice)
        self._held = HeldSamples()
        self._told = 0  # windows

    def take(self, samples: FloatArray, run_chunk: RunChunk | None, *, last: bool) -> HeardWindows:
        """Take the next samples, and give the windows and utterances that they complete.

        Args:
            samples: float32 [n], ±1 full scale.
            run_chunk: runs voice activity on the device; None where there is none.
            last: whether nothing follows. Then the windows that the end of the recording adds are given too.
        """
        is_whole = last and not self._held.end
        if self._extent is not None:
            self._extent.add(samples)
        self._held.append(samples)
        is_silence = is_whole and self._extent is not None and self._extent.is_silent
        voice = None if is_silence else self._voice  # nobody speaks in silence, whatever a network would say
        steps = Steps.none()
        if voice is not None:
            assert run_chunk is not None
            steps = voice.take(samples, run_chunk, last=last)
        windows = self._complete(voice, last=last)
        places = [self._place(start, start + windows.length_samples, voice) for start in windows.start_samples.tolist()]
        if is_silence:
            shares = np.zeros(len(windows), np.float32)
        elif voice is not None:
            shares = voice.shares(windows)
        else:
            sounds = [not is_silent(self._held.part(*place), self._rate_hz) for place in places]
            shares = np.asarray(sounds, np.float32)
        if self._gaps is not None:
            shares = np.where(self._gaps.hold(windows.start_samples, windows.end_samples), np.float32(np.nan), shares)
        clips = _Clips()
        judged = [places[row] for row in judged_rows(shares, self._least_share)] if self._judges_windows else []
        of_windows = [clips.add(place, self._held.part(*place)) for place in judged]
        utterances, of_utterances = Utterances.of([]), np.zeros((0, 2), np.int64)
        if self._finder is not None and not is_silence and not (last and self._is_too_short):
            utterances, parts = self._finder.take(steps, self._held, last=last)
            pairs = [(clips.add((part.start, part.stop), part.samples), part.number) for part in parts]
            of_utterances = np.asarray(pairs, np.int64).reshape(-1, 2)
        pieces: Sequence[UtteranceClip] = ()
        if self._piece_finder is not None and not is_silence:
            _, pieces = self._piece_finder.take(steps, self._held, last=last)
        self._told += len(windows)
        first = self._forget()
        return HeardWindows(
            windows, shares, clips.samples, of_windows, of_utterances, utterances, steps, clips.places, first, pieces
        )

    @property
    def extent(self) -> Extent:
        """Range of the sample values of a recording whose length is known."""
        assert self._extent is not None
        return self._extent

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {
            "held": self._held.state(),
            "told": self._told,
            "extent": None if self._extent is None else self._extent.state(),
            "voice": None if self._voice is None else self._voice.state(),
            "finder": None if self._finder is None else self._finder.state(),
            "pieces": None if self._piece_finder is None else self._piece_finder.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._held.restore(state["held"])
        self._told = state["told"]
        if self._extent is not None:
            self._extent.restore(state["extent"])
        if self._voice is not None:
            self._voice.restore(state["voice"])
        if self._finder is not None:
            self._finder.restore(state["finder"])
        if self._piece_finder is not None:
            self._piece_finder.restore(state["pieces"])

    @property
    def _is_too_short(self) -> bool:
        """Whether a recording that ends now has no window."""
        return self._rule is not None and self._held.end < self._rule.least_samples

    def _place(self, start: int, stop: int, voice: VoiceListener | None) -> tuple[int, int]:
        """The place of a window's clip: it is cut to its voice, so that it is heard as in training."""
        if voice is None or self._cut is None:
            return start, stop
        begin, end = voice.voiced_part(start, stop)
        return self._cut.clip(begin, end, start, stop)

    def _complete(self, voice: VoiceListener | None, *, last: bool) -> Windows:
        """The windows that have not been told yet and of which all is known."""
        end = self._held.end
        if self._rule is None:
            return Windows(np.zeros(0, np.int64), 0, self._rate_hz)
        if last:
            return self._rule.all(end).after(self._told)
        known = end if voice is None else min(end, voice.known_samples)
        return self._rule.complete(known, self._told)

    def _forget(self) -> int:
        """Keep what the next window needs, and what a last one would that ends now; the first sample that is kept."""
        first = self._held.end
        if self._rule is not None:
            first = max(0, min(self._told * self._rule.hop_samples, first - self._rule.length_samples))
        kept = first if self._finder is None else max(0, min(first, self._finder.first_needed))
        held = kept if self._piece_finder is None else max(0, min(kept, self._piece_finder.first_needed))
        self._held.forget(held)
        if self._voice is not None:
            self._voice.forget(first)
        return kept


def judged_rows(shares: FloatArray, least_share: float = LEAST_SPEECH_SHARE) -> NDArray[np.intp]:
    """Numbers of the windows with enough speech; ``shares`` float32 [windows]. One without any speech never has."""
    return np.flatnonzero((shares >= least_share) & (shares > 0))


class _Clips:
    """Clips by their places, equal ones once.

    Attributes:
        samples: float32 [length] each.
    """

    def __init__(self) -> None:
        self.samples: list[FloatArray] = []
        self._numbers: dict[tuple[int, int], int] = {}

    @property
    def places(self) -> list[Place]:
        """First sample of each clip and the one behind its last."""
        return list(self._numbers)

    def add(self, place: tuple[int, int], samples: FloatArray) -> int:
        """Add the clip at a place where it is new; its number."""
        number = self._numbers.setdefault(place, len(self.samples))
        if number == len(self.samples):
            self.samples.append(samples)
        return number
