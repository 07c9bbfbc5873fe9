"""Emotion of a sound: find speech, cut windows, run those that hold sound through the model, put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.task import Work
from service.pipeline.media.channels import NamedChannel
from service.pipeline.results import AudioEmotion, AudioOptions, ChannelEmotion, FloatArray
from service.pipeline.speech.emotion_model import EmotionModel
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.postprocess import channel_emotion, envelope, is_silent, judged_windows
from service.pipeline.speech.sound import Sound
from service.pipeline.speech.voice_activity import Activity, Chunk, ChunkAnswer, VoiceActivity
from service.pipeline.speech.window_watch import OnWindow, WindowWatch
from service.pipeline.speech.windows import Windows, plan_windows
from service.settings import Limits

VOICE_SHARE = 0.2
"""Part of the progress that finding speech makes up; the windows make up the rest."""


@dataclass(frozen=True)
class SoundJudge:
    """Judges sounds on the devices of the process; safe to use from many threads.

    Attributes:
        voice: the voice activity model, or None: then all sound is speech.
        limits: of windows.
        host: runs ``voice``.
        device: runs the emotion models.
    """

    voice: VoiceActivity | None
    limits: Limits
    host: Batcher
    device: Batcher

    def judge(
        self, sound: Sound, model: EmotionModel, options: AudioOptions, work: Work, on_window: OnWindow | None
    ) -> AudioEmotion:
        """The answer for a sound at the model's rate.

        Args:
            sound: what to judge.
            model: what judges.
            options: the request's parameters.
            work: the request.
            on_window: told each window in its order, before the whole answer is there; called in this thread.

        Raises:
            Unprocessable, MediaTooShort: as :func:`plan_windows`.
            Problem: as :meth:`Batcher.run`.
            Cancelled: the work was cancelled.
        """
        channels = sound.channels
        windows = plan_windows(
            len(channels[0].samples),
            model.speech,
            self.limits,
            window_s=options.window_s,
            hop_s=options.hop_s,
        )
        weights = [self._weights(channel.samples, windows, work, len(channels)) for channel in channels]
        units = [
            channel.samples[start : start + windows.length_samples]
            for channel, weight in zip(channels, weights, strict=True)
            for start in windows.start_samples[judged_windows(weight)]
        ]
        watch = None
        if on_window is not None:
            labels, offset_s = model.bundle.card.labels, options.start_s or 0.0
            has_voice = self.voice is not None
            watch = WindowWatch(on_window, labels, channels, weights, windows, offset_s=offset_s, has_voice=has_voice)
        answers = iter(self.run(model, units, work, watch))
        with work.stage("post"):
            emotions = [
                self._channel(channel, weight, windows, answers, model, options, sound)
                for channel, weight in zip(channels, weights, strict=True)
            ]
            outline = envelope([channel.samples for channel in channels])
        return AudioEmotion(
            media=sound.media,
            model=model.reference,
            labels=tuple(model.bundle.card.labels),
            channels=tuple(emotions),
            envelope=outline,
            denoiser=sound.denoiser,
            stages_s=work.stages_s,
        )

    def find_speech(self, samples: FloatArray, rate_hz: int, work: Work, channels: int = 1) -> Activity | None:
        """Where somebody speaks in one of so many channels, float32 [n]; None without a voice activity model."""
        if self.voice is None:
            return None
        voice, done = self.voice, 0

        def run_chunk(chunk: Chunk) -> ChunkAnswer:
            nonlocal done
            answer = self.hear(voice, chunk, work)
            done += len(chunk.frames)
            work.report(VOICE_SHARE * done / (len(samples) / rate_hz * voice.steps_per_s) / channels)
            return answer

        return voice.detect(samples, rate_hz, run_chunk)

    def hear(self, voice: VoiceActivity, chunk: Chunk, work: Work) -> ChunkAnswer:
        """Run a stretch of sound through voice activity."""
        return run_units(self.host, voice, [chunk], work)[0]

    def run(
        self, model: EmotionModel, units: list[FloatArray], work: Work, watch: WindowWatch | None = None
    ) -> list[WindowAnswer]:
        """Run windows, float32 [samples] each, through ``model``."""

        def report(finished: int) -> None:
            work.report(VOICE_SHARE + (1 - VOICE_SHARE) * finished / len(units))

        answers = run_units(self.device, model, units, work, report, partial=watch)
        if watch is not None:
            watch(answers)
        return answers

    def _weights(self, samples: FloatArray, windows: Windows, work: Work, channels: int) -> FloatArray:
        """Share of speech in each window, float32 [windows]. Without voice activity all sound is speech."""
        rate_hz = windows.rate_hz
        if is_silent(samples, rate_hz):
            return np.zeros(len(windows), np.float32)
        found = self.find_speech(samples, rate_hz, work, channels)
        if found is not None:
            return found.share(windows.start_s, windows.end_s)
        length = windows.length_samples
        sounds = [not is_silent(samples[start : start + length], rate_hz) for start in windows.start_samples]
        return np.asarray(sounds, np.float32)

    def _channel(
        self,
        channel: NamedChannel,
        weights: FloatArray,
        windows: Windows,
        answers: Iterator[WindowAnswer],
        model: EmotionModel,
        options: AudioOptions,
        sound: Sound,
    ) -> ChannelEmotion:
        silent = is_silent(channel.samples, windows.rate_hz)
        return channel_emotion(
            channel.name,
            windows,
            [next(answers) for _ in judged_windows(weights)],
            labels=model.bundle.card.labels,
            outputs=model.outputs,
            weights=weights,
            speech=None if self.voice is None else weights,
            offset_s=options.start_s or 0.0,
            flags=[
                *sound.flags,
                *(["silent"] if silent else []),
                *(["no_voice_activity"] if self.voice is None else []),
            ],
        )
