"""Noise out of a recording: a bundle of the task 'denoiser', run over chunks that are cross-faded.

The graph gives ``denoised`` float32 [batch, samples] for ``waveform`` float32 [batch, samples]. A recording up
to the card's ``max_length_s`` goes through in one piece. A longer one is cut into chunks of ``window_s``, one
every ``hop_s``; where two of them overlap, the one fades into the other along a straight line, which keeps
the level of what both agree on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.card import SpeechInput
from service.pipeline.results import FloatArray
from service.pipeline.speech.model import SpeechModel, WindowAnswer

DENOISED = "denoised"

CHUNKS_AT_ONCE = 32
"""Chunks handed to the device together: bounds the memory of a long recording, and a GPU still gets batches."""

RunChunks = Callable[[list[FloatArray]], Sequence[WindowAnswer]]


class Denoiser(SpeechModel):
    """A denoiser; a :class:`~service.pipeline.device.batch.BatchRunner` of chunks float32 [samples]."""

    REQUIRED = (DENOISED,)

    def run(self, units: Sequence[FloatArray]) -> list[WindowAnswer]:
        """Denoise chunks of one key; each answer has the length of its chunk."""
        answers = super().run(units)
        return [{DENOISED: answer[DENOISED][: len(unit)]} for unit, answer in zip(units, answers, strict=True)]

    def check(self, answer: WindowAnswer) -> None:
        """See :meth:`SpeechModel.check`: as many samples out as in."""
        samples = self.window_samples
        if answer[DENOISED].shape != (samples,):
            raise self.error(f"it makes the shape {list(answer[DENOISED].shape)} of {samples} samples")

    def denoise(self, samples: FloatArray, run_chunks: RunChunks, report: Callable[[float], None]) -> FloatArray:
        """Denoise one channel.

        Args:
            samples: float32 [n] at the card's rate, n ≥ 1. A recording shorter than the card's shortest is
                filled up with zeros meanwhile.
            run_chunks: runs up to :data:`CHUNKS_AT_ONCE` chunks on the device.
            report: told the share that is done, 0…1.

        Returns:
            float32 [n].
        """
        least = math.ceil(self.speech.min_length_s * self.speech.sample_rate_hz)
        padded = samples if len(samples) >= least else np.pad(samples, (0, least - len(samples)))
        starts, length = plan_chunks(len(padded), self.speech)
        fade = CrossFade(len(padded))
        for first in range(0, len(starts), CHUNKS_AT_ONCE):
            group = starts[first : first + CHUNKS_AT_ONCE].tolist()
            answers = run_chunks([padded[start : start + length] for start in group])
            for start, answer in zip(group, answers, strict=True):
                fade.add(start, answer[DENOISED])
            report(min(1.0, (first + len(group)) / len(starts)))
        return fade.samples[: len(samples)]


def plan_chunks(n_samples: int, speech: SpeechInput) -> tuple[NDArray[np.int64], int]:
    """Where the chunks of ``n_samples`` begin, int64 [chunks], and how long each is.

    The last one ends with the recording, so it overlaps more.
    """
    rate_hz = speech.sample_rate_hz
    if n_samples <= math.floor(speech.max_length_s * rate_hz):
        return np.zeros(1, np.int64), n_samples
    length = max(1, round(speech.window_s * rate_hz))
    hop = min(length, max(1, round(speech.hop_s * rate_hz)))
    last = n_samples - length
    return np.append(np.arange(0, last, hop, dtype=np.int64), last), length


class CrossFade:
    """Puts overlapping pieces of a signal together, the earlier first.

    Attributes:
        samples: float32 [n], zeros where no piece has come yet.
    """

    def __init__(self, n_samples: int) -> None:
        self.samples: FloatArray = np.zeros(n_samples, np.float32)
        self._filled = 0

    def add(self, start: int, piece: FloatArray) -> None:
        """Put ``piece`` float32 [m] at ``start``, at or before the end of what is there already."""
        overlap = max(0, self._filled - start)
        share = np.linspace(0.0, 1.0, overlap + 2, dtype=np.float32)[1:-1]
        shared = self.samples[start : start + overlap]
        shared += share * (piece[:overlap] - shared)
        self._filled = start + len(piece)
        self.samples[start + overlap : self._filled] = piece[overlap:]
