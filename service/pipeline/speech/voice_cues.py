"""Cues of voice besides the detector's: a high-pass before it, and level and pitch beside it, merged into one decision.

The detector hears a hum that begins as voice, and does not know very high voices. Sound whose level stands still is no
voice, whatever the detector says. Sound that the detector half believes in is voice with a doubt where its level moves
and it has a pitch that moves, as that of a voice does. The constants were measured with ``python -m
benchmarks.voice_cues`` on the strongly acted clips of RAVDESS, on speech of five corpora and on generated noises,
hums, tones, music and cries.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray
from service.pipeline.speech.high_pass import HighPass

HIGH_PASS_HZ: Final = 75.0
"""Corner of the high-pass, above mains hum and below the pitch of almost every voice."""

STEADY_STEPS: Final = 6
STEADY_DB: Final = 1.5
"""A level that stays within so much for so many steps (0.19 s) is no voice's: 44 of 44 hums and engines that the
detector takes for voice when they begin stay null, and 0.2 to 0.7 % of the steps of clean speech are lost."""

DOUBTED_ABOVE: Final = 0.4
BELIEF_DECAY: Final = 0.97
"""A step can be voice with a doubt if the detector's probability reached the one, less the other for each step since.
Generated cries reach 0.41 at most."""

DOUBTED_WITHIN: Final = 0.1
"""Least probability of such a step itself. The detector takes tones for voice when they begin and forgets them then: of
720 tones and noises in rooms with an RT60 of 0.7 s 20 are answered instead of 38."""

AVERAGE_DECAY: Final = 0.97
HALF_BELIEVED: Final = (0.12, 0.3)
LEAST_BELIEVED_STEP: Final = 0.05
LEAST_SYLLABLE_DB: Final = 12.0
"""Rooms smear syllables. A step is voice with a doubt, too, where the average of the detector's probability, which
forgets by the first each step, lies between the second, the step's own is at least the third, and the level moves by
the fourth within :data:`HISTORY_STEPS`. Of 1,800 clips in rooms and behind walls (train of RAVDESS, EMOVO and nEMO) 31
have no answer without it and 17 with it; of 720 sounds without speech in rooms 23 are answered without it and 26 with
it. Above the range the detector knows the voice, and is left to say where it ends."""

PITCH_HZ: Final = (150.0, 800.0)
"""Range of the pitch of a voice that the detector may not know."""

LEAST_PERIODICITY: Final = 0.65
MOST_PERIODICITY: Final = 0.96
"""Least autocorrelation of a step with a pitch, and the mean from which on a sound is a tone rather than a voice."""

HISTORY_STEPS: Final = 10
LEAST_PITCHED: Final = 4
LEAST_GLIDE: Final = 0.02
LEAST_SWING_DB: Final = 4.0
"""Within so many steps (0.32 s) so many have a pitch, which moves by this share, and a level that moves so much."""

LOUDEST_STEP_DB: Final = -25.0
MOST_FLOOR_DB: Final = -60.0
MOST_GAIN: Final = 1000.0
"""The detector hears a quiet recording louder: so that its loudest step so far has the one level re full scale, its
quietest at most the other, and never more than so many times as loud. Turned down by 30 dB, 9 of 96 clips have no
answer without it, and 31 of 96 in rooms; with it none and 3 (devel of four corpora). Louder ones stay as they are."""

SILENCE: Final = 1e-13
"""Mean square up to which a step is none: less than a recording of 24 bits holds."""

_NOTHING: Final = 1e-24
"""Added to powers where they are divided by or their logarithm is taken; far below those of any recording."""

_ROWS: Final = 128
"""Rows of one transform."""

_LENGTHS: Final = 128
"""Lengths of transforms are multiples of it: they have small factors alone, which makes them fast."""


class VoiceCues:
    """Filters one channel, and decides of its steps. Not thread-safe: pieces of sound follow each other.

    Args:
        rate_hz: sample rate.
        step_samples: length of a step.
    """

    def __init__(self, rate_hz: int, step_samples: int) -> None:
        self._step = step_samples
        self._high_pass = HighPass(rate_hz, step_samples, HIGH_PASS_HZ)
        self._lags = np.arange(int(rate_hz / PITCH_HZ[1]) - 1, int(rate_hz / PITCH_HZ[0]) + 2)
        self._size = -(-(2 * step_samples + int(self._lags[-1]) + 1) // _LENGTHS) * _LENGTHS
        self._filtered: FloatArray = np.zeros(step_samples, np.float32)
        self._history = np.tile(np.array([-120.0, np.nan, np.nan]), (HISTORY_STEPS - 1, 1))
        self._belief = self._average = 0.0
        self._loudest, self._quietest = SILENCE, 1.0

    def filtered(self, samples: FloatArray) -> FloatArray:
        """Take the next samples, float32 [n], whole steps but for the last; the same without what is below speech."""
        if not len(samples):
            return samples
        whole = np.concatenate([samples, np.zeros(-len(samples) % self._step, np.float32)])
        return self._high_pass.take(whole.reshape(-1, self._step)).ravel()[: len(samples)]

    def gains(self, powers: NDArray[np.float64]) -> FloatArray:
        """How much louder the detector hears each of the next steps, float32 [steps], by their mean squares."""
        loudest = np.maximum.accumulate(np.maximum(powers, self._loudest))
        quietest = np.minimum.accumulate(np.minimum(np.where(powers > SILENCE, powers, 1.0), self._quietest))
        self._loudest, self._quietest = float(loudest[-1]), float(quietest[-1])
        louder = np.minimum(10 ** (LOUDEST_STEP_DB / 10) / loudest, 10 ** (MOST_FLOOR_DB / 10) / quietest)
        return np.asarray(np.clip(np.sqrt(louder), 1.0, MOST_GAIN), np.float32)

    def decide(
        self, samples: FloatArray, probabilities: FloatArray, threshold: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Merge all cues of the next steps.

        Args:
            samples: float32 [n], filtered; zeros fill up the last step.
            probabilities: float32 [steps], the detector's.
            threshold: of the detector.

        Returns:
            bool [steps], whether each is speech, and whether it is for other cues than the detector's.
        """
        padding = np.zeros(len(probabilities) * self._step - len(samples), np.float32)
        whole = np.concatenate([self._filtered, samples, padding])
        self._filtered = whole[-self._step :].copy()
        found = [self._cues(rows) for rows in self._windows(whole, 2 * self._step)]
        known = np.concatenate([self._history, *found])
        self._history = known[len(known) - (HISTORY_STEPS - 1) :].copy()
        level_db, pitch, periodicity = np.lib.stride_tricks.sliding_window_view(known, HISTORY_STEPS, axis=0).swapaxes(
            0, 1
        )
        is_steady = np.ptp(level_db[:, -STEADY_STEPS:], axis=1) < STEADY_DB
        is_pitched = ~np.isnan(pitch)
        count = is_pitched.sum(axis=1)
        moves = (
            is_pitched[:, -1]
            & (count >= LEAST_PITCHED)
            & (_spread(pitch, is_pitched) >= LEAST_GLIDE)
            & (_spread(level_db, is_pitched) >= LEAST_SWING_DB)
            & (np.where(is_pitched, periodicity, 0.0).sum(axis=1) < MOST_PERIODICITY * count)
        )
        is_speech = (probabilities > threshold) & ~is_steady
        belief, average = self._beliefs(np.where(is_steady, 0.0, probabilities))
        is_doubted = moves & (belief >= DOUBTED_ABOVE) & (probabilities >= DOUBTED_WITHIN)
        is_smeared = (average >= HALF_BELIEVED[0]) & (average < HALF_BELIEVED[1])
        is_smeared &= (probabilities >= LEAST_BELIEVED_STEP) & (np.ptp(level_db, axis=1) >= LEAST_SYLLABLE_DB)
        is_uncertain = (is_doubted | is_smeared) & ~is_steady & ~is_speech
        return is_speech | is_uncertain, is_uncertain

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {
            "high_pass": self._high_pass.state,
            "filtered": self._filtered,
            "history": self._history,
            "belief": [self._belief, self._average],
            "extremes": [self._loudest, self._quietest],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._high_pass.state, self._filtered = state["high_pass"], state["filtered"]
        self._history, (self._belief, self._average) = state["history"], state["belief"]
        self._loudest, self._quietest = state["extremes"]

    def _windows(self, samples: FloatArray, length: int) -> Iterator[FloatArray]:
        """Overlapping windows of some length, one a step, a few rows at a time."""
        if len(samples) >= length:
            rows = np.lib.stride_tricks.sliding_window_view(samples, length)[:: self._step]
            yield from (rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS))

    def _beliefs(self, probabilities: FloatArray) -> NDArray[np.float64]:
        """The decaying greatest and the decaying average of the detector's probability, float64 [2, steps]."""
        beliefs = np.empty((2, len(probabilities)))
        for step, value in enumerate(probabilities.tolist()):
            self._belief = max(value, BELIEF_DECAY * self._belief)
            self._average += (1 - AVERAGE_DECAY) * (value - self._average)
            beliefs[:, step] = self._belief, self._average
        return beliefs

    def _cues(self, windows: FloatArray) -> NDArray[np.float64]:
        """Level in dB, logarithm of the pitch and periodicity of windows [steps, samples]: float64 [steps, 3].

        The two last are NaN without a pitch. The pitch is the highest at which the window is about as like itself as
        at any other, between two lags where the parabola through three of them has its top.
        """
        length, lags = windows.shape[1], self._lags
        squares = windows.astype(np.float64) ** 2
        total = squares.sum(axis=1)
        ends = np.cumsum([squares[:, : lags[-1]], squares[:, : -lags[-1] - 1 : -1]], axis=2)[:, :, lags - 1]
        spectra = np.fft.rfft(windows, self._size)
        products = np.fft.irfft(spectra.real**2 + spectra.imag**2, self._size)[:, lags]
        first, last = np.maximum(total[:, None] - ends, 0.0)
        alike = products / np.sqrt(first * last + _NOTHING)
        inner = alike[:, 1:-1]
        best = inner.max(axis=1)
        is_top = (inner >= 0.92 * best[:, None]) & (inner >= alike[:, :-2]) & (inner >= alike[:, 2:])
        at, rows = is_top.argmax(axis=1), np.arange(len(alike))
        left, top, right = alike[rows, at], alike[rows, at + 1], alike[rows, at + 2]
        bend = left - 2 * top + right
        aside = np.clip(np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1.0), 0.0), -0.5, 0.5)
        pitch = -np.log(lags[at + 1] + aside)
        level_db = 10 * np.log10(total / length + _NOTHING)
        has_pitch = best >= LEAST_PERIODICITY
        return np.stack([level_db, np.where(has_pitch, pitch, np.nan), np.where(has_pitch, best, np.nan)], axis=1)


def _spread(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Greatest less least of the chosen values in each row; −∞ where there are none."""
    greatest = np.where(chosen, values, -np.inf).max(axis=1)
    spread: NDArray[np.float64] = greatest - np.where(chosen, values, np.inf).min(axis=1)
    return spread
