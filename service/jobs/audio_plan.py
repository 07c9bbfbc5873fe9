"""The plan of a long recording's emotion: its length, then its speech segment by segment, then the answer."""

from dataclasses import replace
from typing import Any

from service.jobs.files import PartFiles, stored_voice
from service.jobs.part import INSPECT, SPEECH, NothingToDo, Part
from service.jobs.sound_parts import InspectPart, Judging, SoundPart, joined_channels
from service.jobs.spool import JobSpool
from service.pipeline.audio_options import AudioOptions
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.decoding.remote_file import ByteSource
from service.pipeline.prior import prior_for
from service.pipeline.results import AudioEmotion, ProfileUse
from service.pipeline.speech.denoise import Denoiser
from service.pipeline.speech.emotion import view_for
from service.pipeline.speech.emotion_answer import JudgedSound, emotion_answer, judged_channel
from service.pipeline.speech.extent import Gaps
from service.pipeline.speech.resampling import resampled_length
from service.pipeline.speech.windows import Windows, window_rule
from service.pipeline.speech_pipeline import SpeechPipeline
from service.problems import DenoiserUnavailable
from service.settings import Limits


class AudioPlan:
    """Makes the parts of a job, in segments of ``segment_s`` seconds, and joins their records."""

    parts = (INSPECT, SPEECH)

    def __init__(self, speech: SpeechPipeline, limits: Limits, segment_s: float) -> None:
        self._speech = speech
        self._limits = limits
        self._segment_s = segment_s

    def check(self, options: AudioOptions) -> None:
        """Refuse what no recording could be judged by.

        Raises:
            ModelNotFound, Unprocessable, DenoiserUnavailable
        """
        self._denoiser(options)
        model = self._speech.model_for(options)
        if options.profile != "document" or options.voice is not None:  # the document comes with the body
            view_for(options, model)
        prior_for(options.prior, model.bundle.card)
        self._speech.speaker_rule(options, model)
        speech = model.speech
        longest = round(speech.window_s * speech.sample_rate_hz)
        window_rule(speech, self._limits, options.window_s, options.hop_s).plan(longest, self._limits)

    def make(
        self,
        name: str,
        options: AudioOptions,
        spool: JobSpool,
        state: dict[str, Any] | None,
        decoder: LongDecoder,
        source: ByteSource,
        *,
        in_video: bool = False,
    ) -> Part:
        """The part ``name``, from ``state`` on. Raises Problem if what was found before forbids it."""
        model, denoiser = self._speech.model_for(options), self._denoiser(options)
        rate_hz = (model if denoiser is None else denoiser).speech.sample_rate_hz
        sound = decoder.sound(
            source,
            target_rate_hz=rate_hz,
            start_s=options.start_s,
            end_s=options.end_s,
            channel=options.channel,
            track=options.track,
        )
        if name == INSPECT:
            return InspectPart(sound, or_nothing=in_video)
        inspected = PartFiles(spool, INSPECT).record(0)
        if not inspected["samples"]:
            return NothingToDo({})
        self._windows(inspected["samples"], options)  # refuses what is too short, or has too many
        rule = window_rule(model.speech, self._limits, options.window_s, options.hop_s)
        least_share = self._speech.least_share(options.min_speech)
        gaps = Gaps.of(inspected["spans"], options.start_s or 0.0, rule.rate_hz)
        known = options
        if options.profile == "document":
            known = replace(options, voice=stored_voice(spool))
        judging = Judging(
            model,
            rule,
            inspected["samples"],
            denoiser,
            least_share,
            gaps,
            prior_for(options.prior, model.bundle.card),
            lambda: view_for(known, model),
            self._speech.speaker_rule(options, model),
        )
        return SoundPart(sound, self._speech, rate_hz, self._segment_s, judging, state)

    def join(self, options: AudioOptions, spool: JobSpool) -> AudioEmotion | None:
        """The answer; None without sound."""
        inspected = PartFiles(spool, INSPECT).record(0)
        if not inspected["samples"]:
            return None
        records = list(PartFiles(spool, SPEECH).records())
        model, denoiser = self._speech.model_for(options), self._denoiser(options)
        prior = prior_for(options.prior, model.bundle.card)
        channels = [
            judged_channel(name, found, whole)
            for name, found, whole in zip(
                inspected["names"], joined_channels(records), records[-1]["whole"], strict=True
            )
        ]
        known = JudgedSound(
            media=inspected["media"],
            windows=self._windows(inspected["samples"], options),
            channels=channels,
            offset_s=options.start_s or 0.0,
            flags=inspected["flags"],
            voice_step_s=None if self._speech.voice is None else self._speech.voice.step_s,
            denoiser=None if denoiser is None else denoiser.reference,
            least_share=self._speech.least_share(options.min_speech),
            spans=inspected["spans"],
            profile=None if records[-1]["profile"] is None else ProfileUse(**records[-1]["profile"]),
            prior=None if prior is None else prior.use,
            speakers=self._speech.speaker_rule(options, model),
        )
        return emotion_answer(known, model, {})

    def _denoiser(self, options: AudioOptions) -> Denoiser | None:
        """The denoiser, or None where the options do not ask for it. Raises DenoiserUnavailable."""
        denoiser = self._speech.denoiser if options.denoise else None
        if options.denoise and denoiser is None:
            raise DenoiserUnavailable(pointer="/denoise")
        return denoiser

    def _windows(self, samples: int, options: AudioOptions) -> Windows:
        """All windows of a recording of so many samples, as they are decoded.

        Raises:
            MediaTooShort, Unprocessable
        """
        speech, denoiser = self._speech.model_for(options).speech, self._denoiser(options)
        if denoiser is not None:
            samples = resampled_length(samples, denoiser.speech.sample_rate_hz, speech.sample_rate_hz)
        return window_rule(speech, self._limits, options.window_s, options.hop_s).plan(samples, self._limits)
