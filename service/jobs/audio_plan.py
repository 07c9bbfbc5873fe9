"""How a long recording's emotion is found: its length, then its speech segment by segment, then the answer."""

from __future__ import annotations

from typing import Any

from service.jobs.files import PartFiles
from service.jobs.join_audio import join_audio
from service.jobs.part import INSPECT, SPEECH, NothingToDo, Part
from service.jobs.sound_parts import InspectPart, SoundPart, chosen
from service.jobs.spool import JobSpool
from service.pipeline.decoding.long_decode import LongDecoder, Sound
from service.pipeline.decoding.remote_file import ByteSource
from service.pipeline.results import AudioEmotion, AudioOptions
from service.pipeline.speech.denoise import Denoiser
from service.pipeline.speech.emotion_model import EmotionModel
from service.pipeline.speech.windows import Windows, plan_windows
from service.pipeline.speech_pipeline import SpeechPipeline
from service.problems import DenoiserUnavailable, Unprocessable
from service.settings import Limits


class AudioPlan:
    """Makes the parts of a job and joins what they gave.

    Args:
        speech: the pipeline.
        limits: of jobs.
        segment_s: length of a segment, in seconds.
    """

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
        model = self._speech.model_for(options)
        denoiser = self._denoiser(options)
        if denoiser is not None and denoiser.speech.sample_rate_hz != model.speech.sample_rate_hz:
            # What lies between would have to be resampled in one piece.
            raise Unprocessable(
                "In jobs, noise is taken out for models of the denoiser's sample rate alone.", pointer="/denoise"
            )
        longest = round(model.speech.window_s * model.speech.sample_rate_hz)
        plan_windows(longest, model.speech, self._limits, window_s=options.window_s, hop_s=options.hop_s)

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
        """The part ``name``, from ``state`` on.

        Raises:
            Problem: what was found before forbids it.
        """
        model = self._speech.model_for(options)
        if name == INSPECT:
            return InspectPart(self._sound(model, options, decoder, source), or_nothing=in_video)
        inspected = PartFiles(spool, INSPECT).record(0)
        if not inspected["samples"]:
            return NothingToDo({})
        return SoundPart(
            self._sound(model, options, decoder, source),
            self._speech,
            chosen(options.channel),
            model.speech.sample_rate_hz,
            self._segment_s,
            windows=self._windows(inspected, model, options),
            n_samples=inspected["samples"],
            model=model,
            denoiser=self._denoiser(options),
            state=state,
        )

    def join(self, options: AudioOptions, spool: JobSpool) -> AudioEmotion | None:
        """The answer; None without sound."""
        model = self._speech.model_for(options)
        inspected = PartFiles(spool, INSPECT).record(0)
        if not inspected["samples"]:
            return None
        records = list(PartFiles(spool, SPEECH).records())
        windows = self._windows(inspected, model, options)
        return join_audio(inspected, records, model, windows, options, self._denoiser(options))

    def _denoiser(self, options: AudioOptions) -> Denoiser | None:
        """What takes the noise out, where that is asked for.

        Raises:
            DenoiserUnavailable
        """
        denoiser = self._speech.denoiser if options.denoise else None
        if options.denoise and denoiser is None:
            raise DenoiserUnavailable(pointer="/denoise")
        return denoiser

    def _sound(self, model: EmotionModel, options: AudioOptions, decoder: LongDecoder, source: ByteSource) -> Sound:
        rate_hz = model.speech.sample_rate_hz
        return decoder.sound(source, target_rate_hz=rate_hz, start_s=options.start_s, end_s=options.end_s)

    def _windows(self, inspected: dict[str, Any], model: EmotionModel, options: AudioOptions) -> Windows:
        return plan_windows(
            inspected["samples"], model.speech, self._limits, window_s=options.window_s, hop_s=options.hop_s
        )
