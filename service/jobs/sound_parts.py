"""The parts of a job that listen: how long the sound is, where somebody speaks, and how it sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from service.jobs.part import Segment
from service.pipeline.decoding.long_decode import Sound
from service.pipeline.device.batch import Cancelled
from service.pipeline.device.task import Work
from service.pipeline.media.channels import select_channels
from service.pipeline.results import ChannelChoice, FloatArray
from service.pipeline.speech.denoise import Denoiser
from service.pipeline.speech.emotion_model import EmotionModel
from service.pipeline.speech.extent import Extent
from service.pipeline.speech.listener import ChannelJudge
from service.pipeline.speech.long_denoise import ChannelCleaner
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.voice_activity import Chunk, ChunkAnswer
from service.pipeline.speech.windows import Windows
from service.pipeline.speech_pipeline import SpeechPipeline
from service.problems import CodecUnsupported, MediaCrashedDecoder, MediaInvalid, NoAudioStream, TooManyChannels

STRETCH_S = 60.0
"""Sound is handed on in pieces of this length: as much as one call of voice activity takes."""

Select = Callable[[FloatArray], Sequence[FloatArray]]
"""Of a block float32 [channels, n] the channels that are listened to, float32 [n] each."""


class InspectPart:
    """Decodes all of the sound once and keeps nothing, so that later parts know its length, and bad files fail early.

    Args:
        sound: from the beginning.
        or_nothing: a recording without sound is no failure: the record then says 'no_audio'.
    """

    def __init__(self, sound: Sound, *, or_nothing: bool) -> None:
        self._sound = sound
        self._or_nothing = or_nothing

    def run(self, work: Work) -> Segment:
        """The only segment: 'samples', 'channels', 'media' and 'flags'."""
        samples = channels = 0
        try:
            while (block := self._sound.next()) is not None:
                refuse_if_cancelled(work)
                channels = len(block)
                samples += block.shape[1]
        except NoAudioStream:
            if not self._or_nothing:
                raise
            return Segment({"samples": 0, "flags": ("no_audio",)}, None, 1.0)
        facts = self._sound.outcome
        record = {"samples": samples, "channels": channels, "media": facts.media, "flags": facts.flags}
        return Segment(record, None, 1.0, facts.media.duration_s)

    def close(self) -> None:
        """End the decoding."""
        self._sound.close()


class SoundPart:
    """Listens to some channels, segment after segment.

    Args:
        sound: from the beginning, whatever has been done of it: samples that were taken are left out here, so that
            they are the same whether the run was interrupted or not.
        speech: runs the models.
        select: see :data:`Select`.
        rate_hz: of the sound.
        segment_s: length of a segment, in seconds.
        windows: of the whole recording; None where only speech is looked for.
        n_samples: of the whole recording, 0 if nobody knows.
        model: judges the windows.
        denoiser: takes noise out before anything is heard, at the rate of the sound; None leaves it in.
        state: of the segment before, or None at the beginning.
    """

    def __init__(
        self,
        sound: Sound,
        speech: SpeechPipeline,
        select: Select,
        rate_hz: int,
        segment_s: float,
        *,
        windows: Windows | None = None,
        n_samples: int = 0,
        model: EmotionModel | None = None,
        denoiser: Denoiser | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._sound = sound
        self._speech = speech
        self._select = select
        self._rate_hz = rate_hz
        self._segment_samples = max(1, round(segment_s * rate_hz))
        self._windows = windows
        self._n_samples = n_samples
        self._model = model
        self._denoiser = denoiser
        self._judges: list[ChannelJudge] = []
        self._cleaners: list[ChannelCleaner] = []
        self._taken = self._to_skip = 0
        if state is not None:
            self._taken = self._to_skip = state["taken"]
            self._open(len(state["channels"]))
            for judge, channel in zip(self._judges, state["channels"], strict=True):
                judge.restore(channel)
            for cleaner, channel in zip(self._cleaners, state["cleaners"], strict=True):
                cleaner.restore(channel)

    def run(self, work: Work) -> Segment:
        """The next segment; the last record holds what is known of the whole, too."""
        began = self._taken
        stop = began + self._segment_samples
        last = False
        while not last and self._taken < stop:
            waiting, last = self._gather(stop, work)
            self._take(waiting, work, last=last)
        record: dict[str, Any] = {"channels": [judge.findings.take() for judge in self._judges]}
        media_s = (self._taken - began) / self._rate_hz
        if last:
            noisy: list[Extent | None] = [cleaner.noisy for cleaner in self._cleaners]
            record["whole"] = [
                _whole(judge, extent)
                for judge, extent in zip(self._judges, noisy or [None] * len(self._judges), strict=True)
            ]
            return Segment(record, None, 1.0, media_s)
        state = {
            "taken": self._taken,
            "channels": [judge.state() for judge in self._judges],
            "cleaners": [cleaner.state() for cleaner in self._cleaners],
        }
        return Segment(record, state, self._taken / self._n_samples if self._n_samples else 0.0, media_s)

    def close(self) -> None:
        """End the decoding."""
        self._sound.close()

    def _gather(self, stop: int, work: Work) -> tuple[list[Sequence[FloatArray]], bool]:
        """Blocks of about ``STRETCH_S``, the selected channels of each, and whether they are the last."""
        waiting: list[Sequence[FloatArray]] = []
        gathered = 0
        while gathered < STRETCH_S * self._rate_hz and self._taken + gathered < stop:
            refuse_if_cancelled(work)
            with work.stage("decode"):
                block = self._sound.next()
            if block is None:
                self._taken += gathered
                return waiting, True
            skipped = min(self._to_skip, block.shape[1])
            self._to_skip -= skipped
            if skipped < block.shape[1]:
                waiting.append(self._select(block[:, skipped:]))
                gathered += block.shape[1] - skipped
        self._taken += gathered
        return waiting, False

    def _take(self, waiting: list[Sequence[FloatArray]], work: Work, *, last: bool) -> None:
        if waiting and not self._judges:
            self._open(len(waiting[0]))
        for number, judge in enumerate(self._judges):
            pieces = [channels[number] for channels in waiting]
            samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
            if self._cleaners:
                samples = self._cleaners[number].take(samples, lambda chunks: self._clean(chunks, work), last=last)
            judge.take(
                samples, lambda chunk: self._hear(chunk, work), lambda units: self._answer(units, work), last=last
            )

    def _open(self, channels: int) -> None:
        """Begin to judge so many channels."""
        voice, denoiser = self._speech.voice, self._denoiser
        self._judges = [ChannelJudge(self._windows, self._n_samples, self._rate_hz, voice) for _ in range(channels)]
        if denoiser is not None:
            self._cleaners = [ChannelCleaner(denoiser, self._n_samples) for _ in range(channels)]

    def _hear(self, chunk: Chunk, work: Work) -> ChunkAnswer:
        assert self._speech.voice is not None
        return self._speech.hear(self._speech.voice, chunk, work)

    def _clean(self, chunks: list[FloatArray], work: Work) -> Sequence[WindowAnswer]:
        assert self._denoiser is not None
        return self._speech.clean(self._denoiser, chunks, work)

    def _answer(self, units: list[FloatArray], work: Work) -> Any:  # noqa: ANN401 - answers of windows
        return [] if self._model is None else self._speech.judge(self._model, units, work)


class TurnPart:
    """A :class:`SoundPart` that looks for speech in a video, whose sound may be absent or unusable."""

    def __init__(self, part: SoundPart) -> None:
        self._part = part

    def run(self, work: Work) -> Segment:
        """The next segment; 'flags' says why there is nothing to hear."""
        try:
            return self._part.run(work)
        except NoAudioStream:
            return Segment({"flags": ("no_audio",)}, None, 1.0)
        except MediaCrashedDecoder:
            raise
        except (MediaInvalid, CodecUnsupported, TooManyChannels):
            return Segment({"flags": ("audio_unusable",)}, None, 1.0)

    def close(self) -> None:
        """End the decoding."""
        self._part.close()


def chosen(choice: ChannelChoice) -> Select:
    """Selects as a request asks."""
    return lambda block: [channel.samples for channel in select_channels(block, choice)]


def heard(choice: ChannelChoice) -> Select:
    """Selects what speech is looked for in: with 'mix' both channels of a stereo track, who may be one person each."""

    def select(block: FloatArray) -> list[FloatArray]:
        each = choice == "mix" and len(block) == 2
        return [channel.samples for channel in select_channels(block, "each" if each else choice)]

    return select


def refuse_if_cancelled(work: Work) -> None:
    """Stop here if nobody waits any more.

    Raises:
        Cancelled
    """
    if work.cancel is not None and work.cancel.is_set():
        raise Cancelled


def _whole(judge: ChannelJudge, noisy: Extent | None) -> dict[str, Any]:
    """What is known of a channel at its end; ``noisy`` is its extent before it was denoised, if it was."""
    listener = judge.listener
    extent = noisy if noisy is not None and noisy.silent else judge.extent
    return {
        "silent": extent.silent,
        "least": extent.least,
        "greatest": extent.greatest,
        "steps": None if listener is None else listener.steps,
        "step_s": None if listener is None else listener.activity().step_s,
    }
