"""Conversations made of a corpus's recordings, and the diarisation error rate (DER) of an answer for one.

Turns of people of one partition follow one another, with pauses as between people, and some begin while another still
speaks. Who speaks when is known from the recordings themselves: frames within 35 dB of a recording's loudest.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from export.corpora.audio import Waveform, read_waveform
from export.corpora.tables import Corpus, Utterance

RATE_HZ = 16_000
FRAME_S = 0.01
SPOKEN_DB = -35.0
"""Level of a spoken frame against the loudest of its recording."""

PAUSE_S = 0.3
"""Shorter pauses of one person count as speech, as in the reference of most DER figures."""

MEAN_GAP_S = 0.3
"""Mean pause before somebody else speaks, of an exponential distribution: people answer after 0.2 to 0.3 s."""

OVERLAP_S = (0.2, 1.0)
"""A turn that interrupts begins so long before the end of the other."""

COLLAR_S = 0.25
"""Around each begin and end in the reference nothing is scored: customary, as what is right there is a convention."""

Turn = tuple[float, float, str]
"""Begin and end in seconds, and who speaks."""


@dataclass(frozen=True)
class Conversation:
    """A mixture.

    Attributes:
        samples: float32 [n] at :data:`RATE_HZ`.
        turns: the reference, pauses of :data:`PAUSE_S` taken out.
    """

    samples: Waveform
    turns: tuple[Turn, ...]


def conversation(
    corpus: Corpus, speakers: Sequence[str], length_s: float, interrupted: float, snr_db: float | None, seed: int
) -> Conversation:
    """Mix recordings of some speakers.

    Args:
        length_s: turns are added until it is that long.
        interrupted: share of turns that begin while another speaks.
        snr_db: pink noise so far below the speech; None without.
    """
    drawn = random.Random(seed)
    own = {speaker: [one for one in corpus.utterances if one.speaker == speaker] for speaker in speakers}
    samples = np.zeros(0, np.float32)
    turns: list[Turn] = []
    speaker = drawn.choice(list(speakers))
    while len(samples) < length_s * RATE_HZ:
        others = [one for one in speakers if one != speaker]
        speaker = drawn.choice(others) if turns and others else speaker
        is_interruption = bool(turns) and drawn.random() < interrupted
        gap_s = -drawn.uniform(*OVERLAP_S) if is_interruption else drawn.expovariate(1 / MEAN_GAP_S)
        for number in range(drawn.randint(1, 3)):
            piece, spans = _spoken(drawn.choice(own[speaker]))
            start = max(0, len(samples) + round((gap_s if not number else drawn.uniform(0.1, 0.6)) * RATE_HZ))
            samples = _added(samples, piece, start)
            turns += [(start / RATE_HZ + begin_s, start / RATE_HZ + end_s, speaker) for begin_s, end_s in spans]
    if snr_db is not None:
        samples = samples + _pink(len(samples), seed) * float(np.std(samples)) * 10 ** (-snr_db / 20)
    return Conversation(samples.astype(np.float32), tuple(sorted(turns)))


@dataclass(frozen=True)
class Errors:
    """Seconds of a comparison; their sum over ``speech_s`` is the DER.

    Attributes:
        speech_s: in the reference, summed over speakers.
        missed_s, false_alarm_s, confused_s: nobody told, nobody there, another told.
    """

    speech_s: float
    missed_s: float
    false_alarm_s: float
    confused_s: float

    def __add__(self, other: Errors) -> Errors:
        return Errors(*(one + two for one, two in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def rate(self) -> float:
        """The DER."""
        return (self.missed_s + self.false_alarm_s + self.confused_s) / self.speech_s


def diarisation_errors(reference: Sequence[Turn], told: Sequence[Turn], collar_s: float = COLLAR_S) -> Errors:
    """Compare in frames of 10 ms, names matched so that the error is least; overlap counts for each who speaks."""
    end_s = max(end for _, end, _ in [*reference, *told])
    frames = round(end_s / FRAME_S) + 1
    truth, answer = _table(reference, frames), _table(told, frames)
    scored = np.ones(frames, np.bool_)
    for begin_s, stop_s, _ in reference:
        for edge_s in (begin_s, stop_s):
            scored[max(0, round((edge_s - collar_s) / FRAME_S)) : round((edge_s + collar_s) / FRAME_S)] = False
    truth, answer = truth[:, scored], answer[:, scored]
    shared = truth.astype(np.float64) @ answer.T
    correct = float(shared[linear_sum_assignment(-shared)].sum())
    there, named = truth.sum(axis=0), answer.sum(axis=0)
    both = float(np.minimum(there, named).sum())
    missed, false = float(np.maximum(there - named, 0).sum()), float(np.maximum(named - there, 0).sum())
    return Errors(*(FRAME_S * count for count in (float(there.sum()), missed, false, both - correct)))


def _table(turns: Sequence[Turn], frames: int) -> NDArray[np.int64]:
    """Who speaks in each frame, 0 or 1 [speakers, frames]."""
    names = sorted({name for _, _, name in turns})
    table = np.zeros((len(names), frames), np.int64)
    for begin_s, end_s, name in turns:
        table[names.index(name), round(begin_s / FRAME_S) : round(end_s / FRAME_S)] = 1
    return table


def _spoken(utterance: Utterance) -> tuple[Waveform, list[tuple[float, float]]]:
    """A recording without its silent ends, and when it speaks, in seconds."""
    assert utterance.audio is not None
    samples = read_waveform(utterance.audio, RATE_HZ)
    step = round(FRAME_S * RATE_HZ)
    power = np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (SPOKEN_DB / 10))
    runs = np.split(loud, np.flatnonzero(np.diff(loud) > PAUSE_S / FRAME_S) + 1)
    first = int(loud[0])
    spans = [((int(run[0]) - first) * FRAME_S, (int(run[-1]) + 1 - first) * FRAME_S) for run in runs]
    return samples[first * step : (int(loud[-1]) + 1) * step], spans


def _added(samples: Waveform, piece: Waveform, start: int) -> Waveform:
    whole = np.zeros(max(len(samples), start + len(piece)), np.float32)
    whole[: len(samples)] = samples
    whole[start : start + len(piece)] += piece
    return whole


def _pink(count: int, seed: int) -> Waveform:
    """Noise of standard deviation 1 whose power falls with the frequency."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)
    return (noise / noise.std()).astype(np.float32)
