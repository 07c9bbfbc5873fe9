"""Where somebody speaks: voice activity from a bundle of the task 'voice-activity'.

The graph is a recurrent one that takes a run of steps at once: ``input`` float32 [steps, context + step
samples], ``h`` and ``c`` float32 [1, 1, state_size]; it gives ``speech_probs`` float32 [steps] and the state
after the last step, ``hn`` and ``cn``. The card's settings hold sample_rate_hz, step_samples,
context_samples, state_size and threshold. Long recordings go through in chunks that hand the state on, so
the answer is that of one single run while memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from service.pipeline.device.session import Session
from service.pipeline.results import FloatArray
from service.registry import Bundle, BundleError

CHUNK_STEPS = 1875
"""Steps of one graph call: a minute of 32 ms steps, 4.3 MB of input, 0.09 s of one core (measured)."""


@dataclass(frozen=True)
class Activity:
    """Speech or not, step by step.

    Attributes:
        is_speech: bool [steps].
        step_s: seconds of one step; step k covers ``k * step_s`` to ``(k + 1) * step_s``.
    """

    is_speech: NDArray[np.bool_]
    step_s: float

    def share(self, start_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> FloatArray:
        """Share of each stretch that is speech, 0…1.

        Args:
            start_s: float64 [windows], seconds.
            end_s: float64 [windows], seconds, each after its start.

        Returns:
            float32 [windows].
        """
        edges_s = np.arange(len(self.is_speech) + 1) * self.step_s
        spoken_s = np.concatenate([[0.0], np.cumsum(self.is_speech) * self.step_s])
        within_s = np.interp(end_s, edges_s, spoken_s) - np.interp(start_s, edges_s, spoken_s)
        return np.asarray(np.clip(within_s / (end_s - start_s), 0.0, 1.0), np.float32)


@dataclass(frozen=True)
class Chunk:
    """One graph call: ``frames`` float32 [steps, context + step samples] and the state before them."""

    frames: FloatArray
    h: FloatArray
    c: FloatArray


@dataclass(frozen=True)
class ChunkAnswer:
    """``probabilities`` float32 [steps] and the state after them."""

    probabilities: FloatArray
    h: FloatArray
    c: FloatArray


@dataclass(frozen=True)
class Memory:
    """What one stretch of sound leaves to the next: the graph's state, and the last samples, float32 [context]."""

    h: FloatArray
    c: FloatArray
    before: FloatArray


class VoiceActivity:
    """A voice activity model; a :class:`~service.pipeline.device.batch.BatchRunner` of chunks.

    Attributes:
        rate_hz: sample rate that the graph takes.
        step_samples, context_samples: new samples of a step, and those before them that it sees again.
        state_size: numbers in each half of the state.
        threshold: probability above which a step is speech.

    Raises:
        BundleError: the card lacks a setting, or the graph is not of the kind described above.
    """

    max_batch = 1  # chunks of one recording follow each other, and the state has no batch axis

    def __init__(self, bundle: Bundle, session: Session) -> None:
        settings = bundle.card.settings
        self._name = f"{bundle.card.name}/{bundle.card.version}"
        try:
            self.rate_hz = int(_number(settings["sample_rate_hz"]))
            self.step_samples = int(_number(settings["step_samples"]))
            self.context_samples = int(_number(settings["context_samples"]))
            self.state_size = int(_number(settings["state_size"]))
            self.threshold = _number(settings["threshold"])
            session.require(("input", "h", "c"), ("speech_probs", "hn", "cn"))
        except (KeyError, TypeError, ValueError) as error:
            cause = f"setting {error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {self._name}: {cause}") from error
        self._session = session

    @property
    def steps_per_s(self) -> float:
        """Steps in a second of sound."""
        return self.rate_hz / self.step_samples

    def warm_up(self) -> None:
        """Run one second.

        Raises:
            BundleError: the graph fails.
        """
        try:
            self.detect(np.zeros(self.rate_hz, np.float32), self.rate_hz, lambda chunk: self.run([chunk])[0])
        except Exception as error:  # a graph that loads can still fail in any of its kernels
            cause = str(error).strip().split("\n", 1)[0]
            raise BundleError(f"bundle {self._name}: its graph fails: {cause}") from error

    def key(self, unit: Chunk) -> int:
        """All chunks are alike; none share a call."""
        return len(unit.frames)

    def run(self, units: Sequence[Chunk]) -> list[ChunkAnswer]:
        """Run the graph once for each chunk."""
        answers = []
        for unit in units:
            outputs = self._session.run({"input": unit.frames, "h": unit.h, "c": unit.c}, ("speech_probs", "hn", "cn"))
            answers.append(ChunkAnswer(outputs["speech_probs"], outputs["hn"], outputs["cn"]))
        return answers

    def detect(self, samples: FloatArray, rate_hz: int, run_chunk: Callable[[Chunk], ChunkAnswer]) -> Activity:
        """Find the speech in one channel.

        Args:
            samples: float32 [n], ±1 full scale. The last step is filled up with zeros.
            rate_hz: their sample rate; they are resampled where the model has another.
            run_chunk: runs one chunk, on whatever thread the device's work belongs to.
        """
        if rate_hz != self.rate_hz:
            samples = soxr.resample(samples, rate_hz, self.rate_hz)
        memory = self.first_memory()
        found: list[NDArray[np.bool_]] = []
        for begin in range(0, len(samples), self.chunk_samples):
            is_speech, memory = self.listen(samples[begin : begin + self.chunk_samples], memory, run_chunk)
            found.append(is_speech)
        return Activity(np.concatenate(found) if found else np.zeros(0, np.bool_), self.step_s)

    @property
    def chunk_samples(self) -> int:
        """Samples of one graph call."""
        return CHUNK_STEPS * self.step_samples

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return self.step_samples / self.rate_hz

    def first_memory(self) -> Memory:
        """What is remembered before the first sample: silence."""
        state = np.zeros((1, 1, self.state_size), np.float32)
        return Memory(state, state, np.zeros(self.context_samples, np.float32))

    def listen(
        self, samples: FloatArray, memory: Memory, run_chunk: Callable[[Chunk], ChunkAnswer]
    ) -> tuple[NDArray[np.bool_], Memory]:
        """Find the speech in the next stretch of a channel.

        Args:
            samples: float32 [n] at ``rate_hz``: ``chunk_samples`` of them, or fewer at the end, where the last step
                is filled up with zeros.
            memory: from the stretch before.
            run_chunk: as in :meth:`detect`.

        Returns:
            bool [steps], and what the next stretch needs.
        """
        frames = _frames(memory.before, samples, self.step_samples)
        answer = run_chunk(Chunk(frames, memory.h, memory.c))
        before = np.concatenate([memory.before, samples])[len(samples) :]
        return answer.probabilities > self.threshold, Memory(answer.h, answer.c, before)


def _frames(before: FloatArray, samples: FloatArray, step: int) -> FloatArray:
    """Cut samples [n] into overlapping rows [steps, context + step]; ``before`` [context] precedes them."""
    context = len(before)
    stretch = np.zeros(context + -(-len(samples) // step) * step, np.float32)
    stretch[:context] = before
    stretch[context : context + len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(stretch, context + step)[::step]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a setting of voice activity is not a number")
    return float(value)
