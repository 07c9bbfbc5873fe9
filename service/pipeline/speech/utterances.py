"""Utterances: stretches of voice between pauses, and the clips of them that a model judges.

An utterance begins with a step of voice and ends with one. Voice that pauses only briefly is one utterance, and a very
short one is left out. A model hears an utterance with a small margin on both sides. One that is longer than the model's
window is heard window by window, from its own beginning, so that what surrounds it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.card import SpeechInput
from service.pipeline.results import FloatArray
from service.pipeline.speech.resampling import HeldSamples

if TYPE_CHECKING:
    from service.pipeline.speech.voice_activity import Steps, VoiceActivity

LEAST_VOICE_S = 0.25
LEAST_VOICE_SHARE = 0.1
"""A recording without any utterance of full length is judged by its longest piece of voice, if that is longer than the
one or the other share of the recording. Less is no syllable; where mains hum begins, 0.19 s count as voice (measured).
"""


@dataclass(frozen=True)
class UtteranceRule:
    """Rule by which utterances are found and heard; see the card's fields of the same names.

    Attributes:
        gap_s, least_s, margin_s: pause within an utterance, shortest utterance, margin.
        window_samples, hop_samples: of the windows in which a long utterance is heard.
        least_samples: shortest clip that the model takes.
        rate_hz: that samples are counted in.
    """

    gap_s: float
    least_s: float
    margin_s: float
    window_samples: int
    hop_samples: int
    least_samples: int
    rate_hz: int

    @classmethod
    def of(cls, speech: SpeechInput) -> UtteranceRule:
        """The rule of a model."""
        rate_hz = speech.sample_rate_hz
        return cls(
            gap_s=speech.utterance_gap_s,
            least_s=speech.utterance_least_s,
            margin_s=speech.voice_margin_s,
            window_samples=round(speech.window_s * rate_hz),
            hop_samples=max(1, round(speech.hop_s * rate_hz)),
            least_samples=max(1, int(speech.min_length_s * rate_hz)),
            rate_hz=rate_hz,
        )

    def clip(self, begin: int, stop: int, first: int, end: int) -> tuple[int, int]:
        """The place of the clip that holds the voice from ``begin`` to ``stop``.

        Args:
            begin, stop: samples; the first and the one behind the last of voice.
            first, end: bounds of the clip.

        Returns:
            Its first sample and the one behind its last: voice and margin, and at least ``least_samples`` if they fit.
        """
        margin = round(self.margin_s * self.rate_hz)
        begin, stop = max(first, begin - margin), min(end, stop + margin)
        stop = min(end, max(stop, begin + self.least_samples))
        return max(first, min(begin, stop - self.least_samples)), stop


@dataclass(frozen=True)
class Utterances:
    """Utterances that have ended, in their order; columns of one length.

    Attributes:
        number: int64, marks the clips of each; increasing, not without gaps.
        start_samples, end_samples: int64, first sample of voice and the one behind the last.
        voice_s: float64, seconds of voice.
        speech: float32, share that is voice, 0…1.
        powers: float64, mean square over its steps of voice, full scale 1.
        uncertain: float32, share of its steps of voice that are none for the detector, 0…1.
    """

    number: NDArray[np.int64]
    start_samples: NDArray[np.int64]
    end_samples: NDArray[np.int64]
    voice_s: NDArray[np.float64]
    speech: FloatArray
    powers: NDArray[np.float64]
    uncertain: FloatArray

    @classmethod
    def of(cls, rows: list[tuple[int, int, int, float, float, float, float]]) -> Utterances:
        """Columns of some rows."""
        number, start, end, voice_s, speech, powers, uncertain = zip(*rows, strict=True) if rows else ((),) * 7
        return cls(
            np.asarray(number, np.int64),
            np.asarray(start, np.int64),
            np.asarray(end, np.int64),
            np.asarray(voice_s, np.float64),
            np.asarray(speech, np.float32),
            np.asarray(powers, np.float64),
            np.asarray(uncertain, np.float32),
        )

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True)
class UtteranceClip:
    """Part of an utterance that the model judges.

    Attributes:
        number: of the utterance.
        start, stop: where it lies, samples.
        samples: float32 [stop − start].
    """

    number: int
    start: int
    stop: int
    samples: FloatArray


@dataclass
class _Open:
    """An utterance so far: its first and last step of voice, how many there are and are uncertain, and the sum of their
    powers.
    """

    number: int
    first: int
    last: int
    voiced: int = 0
    uncertain: int = 0
    power: float = 0.0
    told: int = 0  # windows of it that were handed on


class UtteranceFinder:
    """Finds the utterances of one channel, step after step.

    Args:
        rule: what an utterance is.
        voice: whose steps are taken.
    """

    def __init__(self, rule: UtteranceRule, voice: VoiceActivity) -> None:
        self._rule = rule
        self._step_s = voice.step_s
        self._step, self._scale = voice.step_samples * rule.rate_hz, voice.rate_hz  # a step is their ratio, in samples
        self._seen = 0  # steps
        self._opened = 0  # utterances
        self._has_full = False
        self._open: _Open | None = None
        self._short: tuple[_Open, UtteranceClip] | None = None  # the longest so far, while there is no full one

    def take(self, steps: Steps, held: HeldSamples, *, last: bool) -> tuple[Utterances, list[UtteranceClip]]:
        """Take the next steps.

        Args:
            steps: the next.
            held: the samples; those from :attr:`first_needed` on are there.
            last: whether nothing follows.

        Returns:
            The utterances that have ended, and the clips to be judged that are known by now: in their order, also some
            of an utterance that goes on.
        """
        ended: list[_Open] = []
        clips: list[UtteranceClip] = []
        voiced = np.flatnonzero(steps.is_speech)
        for run in np.split(voiced, np.flatnonzero(self._is_pause(np.diff(voiced) - 1)) + 1) if voiced.size else ():
            first = self._seen + int(run[0])
            if self._open is not None and self._is_pause(first - self._open.last - 1):
                self._end(held, ended, clips)
            if self._open is None:
                self._open = _Open(self._opened, first, first)
                self._opened += 1
            self._open.last = self._seen + int(run[-1])
            self._open.voiced += len(run)
            self._open.uncertain += int(np.count_nonzero(steps.is_uncertain[run]))
            self._open.power += float(steps.powers[run].sum())
            self._tell_windows(held, clips)
        self._seen += len(steps)
        if self._open is not None and (last or self._is_pause(self._seen - self._open.last - 1)):
            self._end(held, ended, clips)
        least = min(LEAST_VOICE_S / self._step_s, LEAST_VOICE_SHARE * self._seen)
        if last and self._short is not None and self._short[0].voiced >= least:
            ended.append(self._short[0])
            clips.append(self._short[1])
        return Utterances.of([self._row(one, held.end) for one in ended]), clips

    @property
    def first_needed(self) -> int:
        """The first sample that later clips can hold."""
        rule = self._rule
        if self._open is None:
            return self._place(self._seen) - round(rule.margin_s * rule.rate_hz) - rule.least_samples
        start = self._begin(self._open) + self._open.told * rule.hop_samples
        return min(start, self._stop(self._open) - rule.window_samples) - rule.least_samples

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        short = None if self._short is None else [dict(vars(one)) for one in self._short]
        opened = None if self._open is None else dict(vars(self._open))
        return {"seen": self._seen, "opened": self._opened, "has_full": self._has_full, "open": opened, "short": short}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._seen, self._opened, self._has_full = state["seen"], state["opened"], state["has_full"]
        self._open = None if state["open"] is None else _Open(**state["open"])
        short = state["short"]
        self._short = None if short is None else (_Open(**short[0]), UtteranceClip(**short[1]))

    def _is_pause(self, steps: Any) -> Any:  # noqa: ANN401 - a number or an array of them
        """Whether so many steps without voice end an utterance."""
        return steps * self._step_s >= self._rule.gap_s

    def _is_full(self, one: _Open) -> bool:
        return (one.last + 1 - one.first) * self._step_s >= self._rule.least_s

    def _place(self, step: int) -> int:
        """First sample of a step."""
        return step * self._step // self._scale

    def _begin(self, one: _Open) -> int:
        """First sample that the model hears of it."""
        return max(0, self._place(one.first) - round(self._rule.margin_s * self._rule.rate_hz))

    def _stop(self, one: _Open) -> int:
        """The sample behind the last step of voice."""
        return -(-(one.last + 1) * self._step // self._scale)

    def _clip(self, one: _Open, end: int) -> tuple[int, int]:
        return self._rule.clip(self._place(one.first), self._stop(one), 0, end)

    def _tell_windows(self, held: HeldSamples, clips: list[UtteranceClip]) -> None:
        """Hand on the windows that fit into the open utterance, as far as it is known."""
        one, rule = self._open, self._rule
        assert one is not None
        start, stop = self._clip(one, held.end)
        while self._is_full(one) and start + one.told * rule.hop_samples + rule.window_samples <= stop:
            at = start + one.told * rule.hop_samples
            clips.append(_cut(one.number, at, at + rule.window_samples, held))
            one.told += 1

    def _end(self, held: HeldSamples, ended: list[_Open], clips: list[UtteranceClip]) -> None:
        """End the open utterance, and hand on what was not handed on of it."""
        one, rule = self._open, self._rule
        assert one is not None
        self._tell_windows(held, clips)
        self._open = None
        start, stop = self._clip(one, held.end)
        if not self._is_full(one):
            longest = 0 if self._short is None else self._short[0].voiced
            if not self._has_full and one.voiced > longest:
                clip = _cut(one.number, start, stop, held)
                self._short = one, replace(clip, samples=clip.samples.copy())  # does not hold the recording
            return
        self._has_full, self._short = True, None
        ended.append(one)
        if not one.told:
            clips.append(_cut(one.number, start, stop, held))
        elif start + (one.told - 1) * rule.hop_samples + rule.window_samples < stop:
            clips.append(_cut(one.number, stop - rule.window_samples, stop, held))

    def _row(self, one: _Open, end: int) -> tuple[int, int, int, float, float, float, float]:
        steps = one.last + 1 - one.first
        stop = min(self._stop(one), end)
        means = one.voiced / steps, one.power / one.voiced, one.uncertain / one.voiced
        return one.number, self._place(one.first), stop, one.voiced * self._step_s, *means


def _cut(number: int, start: int, stop: int, held: HeldSamples) -> UtteranceClip:
    return UtteranceClip(number, start, stop, held.part(start, stop))
