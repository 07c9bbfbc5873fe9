"""Voice activity, the times at which somebody speaks, from a bundle of the task 'voice-activity'.

The graph is a recurrent one that takes a run of steps at once: ``input`` float32 [steps, context + step
samples], ``h`` and ``c`` float32 [1, 1, state_size]; it gives ``speech_probs`` float32 [steps] and the state
after the last step, ``hn`` and ``cn``. The card's settings hold sample_rate_hz, step_samples, context_samples,
state_size and threshold; where they say that cues is false, the graph alone decides, without
:class:`~service.pipeline.speech.voice_cues.VoiceCues`. Sound goes through in chunks that hand the state on, so the
answer is that of one single run while memory stays bounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.device.session import Session
from service.pipeline.results import FloatArray
from service.pipeline.speech.extent import Gaps
from service.pipeline.speech.resampling import StretchResampler
from service.pipeline.speech.voice_cues import VoiceCues
from service.pipeline.speech.windows import Windows
from service.registry import Bundle, BundleError

CHUNK_STEPS = 312
"""Steps of one graph call: 10 s in steps of 32 ms, 0.7 MB of input, 0.01 s of one core (measured). Calls of a minute
take no less for each second, and keep others waiting six times as long."""

SILENT_STEPS: Final = 15
"""Steps of silence (0.48 s) that the graph has heard before a recording begins: from zeros it doubts the first
second. Without them 9 of 36 clips of EMO-DB (devel) get no answer in a room whose RT60 is 1 s, with them none."""


@dataclass(frozen=True)
class Activity:
    """Speech or not, step by step.

    Attributes:
        is_speech: bool [steps].
        step_s: seconds of one step; step k covers ``k * step_s`` to ``(k + 1) * step_s``.
    """

    is_speech: NDArray[np.bool_]
    step_s: float


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
class Steps:
    """Consecutive steps of one channel.

    Attributes:
        is_speech: bool [steps].
        is_uncertain: bool [steps], which of them are speech for other cues than the graph's.
        probabilities: float32 [steps], of speech, as the graph gave them.
        powers: float64 [steps], mean square of the samples of each, full scale 1.
    """

    is_speech: NDArray[np.bool_]
    is_uncertain: NDArray[np.bool_]
    probabilities: FloatArray
    powers: NDArray[np.float64]

    @classmethod
    def none(cls) -> "Steps":
        """No step."""
        no = np.zeros(0, np.bool_)
        return cls(no, no, np.zeros(0, np.float32), np.zeros(0, np.float64))

    def __len__(self) -> int:
        return len(self.is_speech)


RunChunk = Callable[[Chunk], ChunkAnswer]
"""Runs one chunk on the device."""


class VoiceActivity:
    """A voice activity model; a :class:`~service.pipeline.device.batch.BatchRunner` of chunks.

    Attributes:
        rate_hz: sample rate that the graph takes.
        step_samples, context_samples: new samples of a step, and those before them that it sees again.
        state_size: numbers in each half of the state.
        threshold: probability above which a step is speech.
        has_cues: whether other cues count too.

    Raises:
        BundleError: the card lacks a setting, or the graph is not of the kind described above.
    """

    max_batch = 1  # chunks of one recording follow each other, and the state has no batch axis

    def __init__(self, bundle: Bundle, session: Session) -> None:
        card = bundle.card
        self._name = f"{card.name}/{card.version}"
        try:
            self.rate_hz = int(card.number("sample_rate_hz"))
            self.step_samples = int(card.number("step_samples"))
            self.context_samples = int(card.number("context_samples"))
            self.state_size = int(card.number("state_size"))
            self.threshold = card.number("threshold")
            self.has_cues = bool(card.settings.get("cues", True))
            session.require(("input", "h", "c"), ("speech_probs", "hn", "cn"))
        except (KeyError, TypeError, ValueError) as error:
            cause = f"setting {error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {self._name}: {cause}") from error
        self._session = session

    def warm_up(self) -> None:
        """Run one second. Raises BundleError if the graph fails."""
        try:
            second = np.zeros(self.rate_hz, np.float32)
            VoiceListener(self, self.rate_hz).take(second, lambda chunk: self.run([chunk])[0], last=True)
        except Exception as error:  # a graph that loads can still fail in any of its kernels
            cause = str(error).strip().split("\n", 1)[0]
            raise BundleError(f"bundle {self._name}: its graph fails: {cause}") from error

    @cached_property
    def first_state(self) -> tuple[FloatArray, FloatArray]:
        """The state before a recording: where cues count, that after :data:`SILENT_STEPS`, and zeros otherwise."""
        zeros = np.zeros((1, 1, self.state_size), np.float32)
        if not self.has_cues:
            return zeros, zeros
        silence = np.zeros((SILENT_STEPS, self.context_samples + self.step_samples), np.float32)
        (answer,) = self.run([Chunk(silence, zeros, zeros)])
        return answer.h, answer.c

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

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return self.step_samples / self.rate_hz


class VoiceListener:
    """Finds the speech in one channel as its samples arrive: the answers of one single run, step after step.

    Not thread-safe: pieces of sound follow each other.

    Args:
        voice: the model.
        rate_hz: sample rate of the sound; it is resampled where the model has another.
        gaps: stretches without sound, where nobody speaks; None without any.
    """

    def __init__(self, voice: VoiceActivity, rate_hz: int, gaps: Gaps | None = None) -> None:
        self._voice = voice
        self._gaps = gaps
        self._cues = VoiceCues(voice.rate_hz, voice.step_samples) if voice.has_cues else None
        self._rate_hz = rate_hz
        self._resampler = StretchResampler(rate_hz, voice.rate_hz)
        self._waiting: FloatArray = np.zeros(0, np.float32)  # less than a step, at the model's rate
        self._context: FloatArray = np.zeros(voice.context_samples, np.float32)
        self._h, self._c = voice.first_state
        self._is_speech: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._forgotten = 0  # steps

    @property
    def known_samples(self) -> int:
        """Samples from the beginning, at ``rate_hz``, of which it is known whether somebody speaks."""
        steps = self._forgotten + len(self._is_speech)
        return steps * self._voice.step_samples * self._rate_hz // self._voice.rate_hz

    def take(self, samples: FloatArray, run_chunk: RunChunk, *, last: bool) -> Steps:
        """Take the next samples, and tell of the steps that they complete whether somebody speaks.

        Args:
            samples: float32 [n] at ``rate_hz``, ±1 full scale.
            run_chunk: runs one chunk of up to ``CHUNK_STEPS`` steps on the device.
            last: whether nothing follows; zeros fill up the last step then.
        """
        samples = self._resampler.take(samples, last=last)
        if len(self._waiting):
            samples = np.concatenate([self._waiting, samples])
        step = self._voice.step_samples
        stop = len(samples) if last else len(samples) // step * step
        self._waiting = samples[stop:].copy()
        found = [Steps.none()]
        for begin in range(0, stop, CHUNK_STEPS * step):
            piece = samples[begin : min(begin + CHUNK_STEPS * step, stop)]
            if self._cues is not None:
                piece = self._cues.filtered(piece)
            frames = _frames(self._context, piece, step)
            powers = _powers(frames[:, -step:], len(piece))
            if self._cues is not None:
                frames = frames * self._cues.gains(powers)[:, None]
            answer = run_chunk(Chunk(frames, self._h, self._c))
            self._h, self._c = answer.h, answer.c
            self._context = np.concatenate([self._context, piece])[len(piece) :]
            found.append(self._decide(piece, powers, answer.probabilities))
        columns = zip(*(vars(one).values() for one in found), strict=True)
        steps = Steps(*map(np.concatenate, columns))
        if self._gaps is not None:
            numbers = np.arange(len(steps) + 1) + self._forgotten + len(self._is_speech)
            places = numbers * step * self._rate_hz // self._voice.rate_hz
            is_heard = ~self._gaps.hold(places[:-1], places[1:])
            steps = replace(steps, is_speech=steps.is_speech & is_heard, is_uncertain=steps.is_uncertain & is_heard)
        self._is_speech = np.concatenate([self._is_speech, steps.is_speech])
        return steps

    def _decide(self, samples: FloatArray, powers: NDArray[np.float64], probabilities: FloatArray) -> Steps:
        """Decide of steps whose samples are float32 [n]."""
        is_speech, is_uncertain = probabilities > self._voice.threshold, np.zeros(len(probabilities), np.bool_)
        if self._cues is not None:
            is_speech, is_uncertain = self._cues.decide(samples, probabilities, self._voice.threshold)
        return Steps(is_speech, is_uncertain, probabilities, powers)

    def shares(self, windows: Windows) -> FloatArray:
        """Share of each window that is speech, 0…1, float32 [windows].

        Everything is counted in whole parts of a second, so the numbers do not depend on what was forgotten.

        Args:
            windows: at ``rate_hz``; known, and not forgotten.
        """
        step = self._voice.step_samples * self._rate_hz
        is_speech = np.append(self._is_speech, False)
        spoken = np.concatenate([[0], np.cumsum(is_speech)]) * step

        def spoken_before(places: NDArray[np.int64]) -> NDArray[np.int64]:
            parts = np.clip(places * self._voice.rate_hz - self._forgotten * step, 0, len(self._is_speech) * step)
            whole = parts // step
            return np.asarray(spoken[whole] + is_speech[whole] * (parts - whole * step), np.int64)

        within = spoken_before(windows.end_samples) - spoken_before(windows.start_samples)
        return (within / (windows.length_samples * self._voice.rate_hz)).astype(np.float32)

    def voiced_part(self, start: int, stop: int) -> tuple[int, int]:
        """The first sample of speech between two places and the one behind the last; ``(start, start)`` without any.

        Args:
            start, stop: samples at ``rate_hz``; known, and not forgotten.
        """
        step, scale = self._voice.step_samples * self._rate_hz, self._voice.rate_hz
        first = start * scale // step
        spoken = np.flatnonzero(self._is_speech[first - self._forgotten : -(-stop * scale // step) - self._forgotten])
        if not spoken.size:
            return start, start
        begin, end = (first + int(spoken[0])) * step // scale, -(-(first + int(spoken[-1]) + 1) * step // scale)
        return max(begin, start), min(end, stop)

    def forget(self, before: int) -> None:
        """Let go of what lies before a sample at ``rate_hz``."""
        step = self._voice.step_samples * self._rate_hz
        gone = min(before * self._voice.rate_hz // step - self._forgotten, len(self._is_speech))
        if gone > 0:
            self._is_speech = self._is_speech[gone:].copy()
            self._forgotten += gone

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {
            "resampler": self._resampler.state(),
            "waiting": self._waiting,
            "context": self._context,
            "cues": None if self._cues is None else self._cues.state(),
            "h": self._h,
            "c": self._c,
            "is_speech": self._is_speech,
            "forgotten": self._forgotten,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._resampler.restore(state["resampler"])
        self._waiting, self._context = state["waiting"], state["context"]
        if self._cues is not None:
            self._cues.restore(state["cues"])
        self._h, self._c = state["h"], state["c"]
        self._is_speech, self._forgotten = state["is_speech"], state["forgotten"]


def _frames(before: FloatArray, samples: FloatArray, step: int) -> FloatArray:
    """Cut samples [n] into overlapping rows [steps, context + step]; ``before`` [context] precedes them."""
    context = len(before)
    stretch = np.zeros(context + -(-len(samples) // step) * step, np.float32)
    stretch[:context] = before
    stretch[context : context + len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(stretch, context + step)[::step]


def _powers(steps: FloatArray, n_samples: int) -> NDArray[np.float64]:
    """Mean square of each of the steps, float32 [steps, step samples]; zeros fill up the last of ``n_samples``."""
    energies: NDArray[np.float64] = np.einsum("ij,ij->i", steps, steps).astype(np.float64)
    counts = np.minimum(n_samples - np.arange(len(steps)) * steps.shape[1], steps.shape[1])
    return np.asarray(energies / counts, np.float64)
