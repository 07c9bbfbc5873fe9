"""Noise out of a recording that arrives piece by piece: the chunks and seams of the whole at once (see denoise.py).

A chunk is denoised for itself, so nothing has to be carried from one to the next but the sound of which chunks are
still to come, and the end of the last chunk where the next one fades in. The samples are those of
:meth:`Denoiser.denoise`, whatever pieces the recording arrives in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.pipeline.results import FloatArray
from service.pipeline.speech.denoise import CHUNKS_AT_ONCE, DENOISED, CrossFade, Denoiser, RunChunks, plan_chunks
from service.pipeline.speech.extent import Extent


class DenoiserStream:
    """Denoises one channel. Not thread-safe: pieces of sound follow each other.

    Args:
        denoiser: the model.
        n_samples: length of the recording at the denoiser's rate, n ≥ 1; known from decoding it once.
    """

    def __init__(self, denoiser: Denoiser, n_samples: int) -> None:
        speech = denoiser.speech
        self._n_samples = n_samples
        self._padded = max(n_samples, math.ceil(speech.min_length_s * speech.sample_rate_hz))
        starts, self._length = plan_chunks(self._padded, speech)
        self._starts: list[int] = starts.tolist()
        self._next = 0
        self._noisy: FloatArray = np.zeros(0, np.float32)  # from the beginning of the next chunk on
        self._base = 0
        self._seam: FloatArray = np.zeros(0, np.float32)  # the end of what is done, where the next chunk fades in

    def take(self, samples: FloatArray, run_chunks: RunChunks, *, last: bool) -> FloatArray:
        """Take the next samples, float32 [n], and give those that are done; with ``last`` all that remain."""
        self._noisy = np.concatenate([self._noisy, samples])
        if last and self._next < len(self._starts):
            missing = self._padded - self._base - len(self._noisy)
            self._noisy = np.pad(self._noisy, (0, max(missing, 0)))
        done: list[FloatArray] = []
        while group := self._ready():
            pieces = [self._noisy[start - self._base :][: self._length] for start in group]
            for answer in run_chunks(pieces):
                done.append(self._join(answer[DENOISED]))
        return np.concatenate(done) if done else np.zeros(0, np.float32)

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {"noisy": self._noisy, "seam": self._seam, "places": [self._next, self._base]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._noisy, self._seam = state["noisy"], state["seam"]
        self._next, self._base = state["places"]

    def _ready(self) -> list[int]:
        """Beginnings of the chunks that have been heard to their end, as many as are run at once."""
        heard = self._base + len(self._noisy)
        group = self._starts[self._next : self._next + CHUNKS_AT_ONCE]
        return [start for start in group if start + self._length <= heard]

    def _join(self, piece: FloatArray) -> FloatArray:
        """Fade the next chunk in, and give what no later chunk touches."""
        start = self._starts[self._next]
        fade = CrossFade(len(piece))
        fade.add(0, self._seam)
        fade.add(0, piece)
        self._next += 1
        is_last = self._next == len(self._starts)
        stop = self._n_samples if is_last else self._starts[self._next]
        self._seam = fade.samples[stop - start :].copy()
        self._noisy = self._noisy[stop - self._base :].copy()
        self._base = stop
        return fade.samples[: stop - start]


class ChannelCleaner:
    """Denoises one channel, unless all of it turns out to be digital silence, which stays what it was.

    Args:
        denoiser: the model.
        n_samples: length of the recording at the denoiser's rate.

    Attributes:
        noisy: how far the samples reached before.
    """

    def __init__(self, denoiser: Denoiser, n_samples: int) -> None:
        self.noisy = Extent(n_samples, denoiser.speech.sample_rate_hz)
        self._stream = DenoiserStream(denoiser, n_samples)

    def take(self, samples: FloatArray, run_chunks: RunChunks, *, last: bool) -> FloatArray:
        """See :meth:`DenoiserStream.take`."""
        self.noisy.add(samples)
        return self._stream.take(samples, run_chunks, last=last)

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {"noisy": self.noisy.state(), "stream": self._stream.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self.noisy.restore(state["noisy"])
        self._stream.restore(state["stream"])
