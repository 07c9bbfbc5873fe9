"""Noise out of a recording: a bundle of the task 'denoiser', run over chunks that are cross-faded.

The graph gives ``denoised`` float32 [batch, samples] for ``waveform`` float32 [batch, samples]. A recording up to the
card's ``max_length_s`` goes through in one piece. A longer one is cut into chunks of ``window_s``, one every ``hop_s``;
where two of them overlap, the one fades into the other along a straight line, which keeps the level of what both agree
on. Each chunk is denoised for itself, so a recording that arrives in blocks gets the samples of one that comes whole.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.card import SpeechInput
from service.pipeline.results import FloatArray
from service.pipeline.speech.extent import Extent
from service.pipeline.speech.model import SpeechModel, WindowAnswer
from service.pipeline.speech.resampling import HeldSamples, StretchResampler, resampled_length

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


class ChannelDenoiser:
    """Takes the noise out of one channel that arrives in blocks, and gives it at the rate of the model that listens.

    A recording that is shorter than the card's shortest is filled up with zeros meanwhile. Not thread-safe: blocks of
    sound follow each other.

    Args:
        denoiser: the model.
        n_samples: length of the recording at the denoiser's rate, n ≥ 1.
        rate_hz: rate of the samples that are given.

    Attributes:
        denoiser: the model.
        noisy: how far the samples reach at ``rate_hz`` with their noise.
        clean_samples: length of the recording at ``rate_hz``.
    """

    def __init__(self, denoiser: Denoiser, n_samples: int, rate_hz: int) -> None:
        speech = denoiser.speech
        self.denoiser = denoiser
        self.clean_samples = resampled_length(n_samples, speech.sample_rate_hz, rate_hz)
        self.noisy = Extent(self.clean_samples, rate_hz)
        self._n_samples = n_samples
        self._padded = max(n_samples, math.ceil(speech.min_length_s * speech.sample_rate_hz))
        starts, self._length = plan_chunks(self._padded, speech)
        self._starts: list[int] = starts.tolist()
        self._next = 0
        self._held = HeldSamples()  # from the beginning of the next chunk on
        self._seam: FloatArray = np.zeros(0, np.float32)  # the end of what is done, where the next chunk fades in
        self._noisy_resampler = StretchResampler(speech.sample_rate_hz, rate_hz)
        self._resampler = StretchResampler(speech.sample_rate_hz, rate_hz)

    @property
    def chunks(self) -> int:
        """Graph calls that the whole recording takes."""
        return len(self._starts)

    def take(self, samples: FloatArray, run_chunks: RunChunks, *, last: bool) -> FloatArray:
        """Take the next samples, and give those that are done.

        Digital silence that comes in one block stays what it is, whatever a network would make of it.

        Args:
            samples: float32 [n] at the denoiser's rate.
            run_chunks: runs up to :data:`CHUNKS_AT_ONCE` chunks on the device.
            last: whether nothing follows; then all that remains is given.

        Returns:
            float32 [m] at ``rate_hz``.
        """
        is_whole = last and not self._held.end
        noisy = self._noisy_resampler.take(samples, last=last)
        self.noisy.add(noisy)
        if is_whole and self.noisy.is_silent:
            return noisy
        return self._resampler.take(self._denoise(samples, run_chunks, last=last), last=last)

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {
            "noisy": self.noisy.state(),
            "noisy_resampler": self._noisy_resampler.state(),
            "held": self._held.state(),
            "seam": self._seam,
            "next": self._next,
            "resampler": self._resampler.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self.noisy.restore(state["noisy"])
        self._noisy_resampler.restore(state["noisy_resampler"])
        self._held.restore(state["held"])
        self._seam, self._next = state["seam"], state["next"]
        self._resampler.restore(state["resampler"])

    def _denoise(self, samples: FloatArray, run_chunks: RunChunks, *, last: bool) -> FloatArray:
        """The samples that are done, at the denoiser's rate."""
        self._held.append(samples)
        if last and self._held.end < self._padded:
            self._held.append(np.zeros(self._padded - self._held.end, np.float32))
        done: list[FloatArray] = [np.zeros(0, np.float32)]
        while starts := self._ready():
            answers = run_chunks([self._held.part(start, start + self._length) for start in starts])
            done += [self._join(answer[DENOISED]) for answer in answers]
        self._held.forget(self._starts[self._next] if self._next < self.chunks else self._held.end)
        return np.concatenate(done)

    def _ready(self) -> list[int]:
        """Beginnings of the chunks that have been heard to their end, as many as are run at once."""
        starts = self._starts[self._next : self._next + CHUNKS_AT_ONCE]
        return [start for start in starts if start + self._length <= self._held.end]

    def _join(self, chunk: FloatArray) -> FloatArray:
        """Fade the next chunk in, and give what no later chunk touches."""
        start = self._starts[self._next]
        overlap = len(self._seam)
        share = np.linspace(0.0, 1.0, overlap + 2, dtype=np.float32)[1:-1]
        joined = chunk.copy()
        joined[:overlap] = self._seam + share * (chunk[:overlap] - self._seam)
        self._next += 1
        stop = self._starts[self._next] if self._next < self.chunks else self._n_samples
        self._seam = joined[stop - start :]
        return joined[: stop - start]


def plan_chunks(n_samples: int, speech: SpeechInput) -> tuple[NDArray[np.int64], int]:
    """Start samples of the chunks of ``n_samples``, int64 [chunks], and the length of each.

    The last one ends with the recording, so it overlaps more.
    """
    rate_hz = speech.sample_rate_hz
    if n_samples <= math.floor(speech.max_length_s * rate_hz):
        return np.zeros(1, np.int64), n_samples
    length = max(1, round(speech.window_s * rate_hz))
    hop = min(length, max(1, round(speech.hop_s * rate_hz)))
    last = n_samples - length
    return np.append(np.arange(0, last, hop, dtype=np.int64), last), length
