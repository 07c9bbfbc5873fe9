"""From an upload to the channels that are judged: decoded, and denoised where that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from service.pipeline.device.admit import Hold
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.task import AudioDecoder, Work
from service.pipeline.media.channels import NamedChannel, select_channels
from service.pipeline.results import AudioOptions, FloatArray, MediaInfo, ModelReference
from service.pipeline.speech.denoise import Denoiser
from service.pipeline.speech.embedding_results import EmbeddingOptions
from service.pipeline.speech.postprocess import is_silent
from service.problems import DenoiserUnavailable, Unprocessable

DENOISING_SHARE = 0.5
"""Part of the progress that denoising makes up where it is asked for."""

Options = AudioOptions | EmbeddingOptions


@dataclass(frozen=True)
class Sound:
    """A recording as the models hear it.

    Attributes:
        media: the file's own facts.
        channels: those that were chosen, at the rate asked for, all of one length.
        flags: such as 'clipped' or 'denoised'.
        denoiser: what took the noise out, if anything did.
    """

    media: MediaInfo
    channels: list[NamedChannel]
    flags: tuple[str, ...]
    denoiser: ModelReference | None = None


class SoundSource:
    """Makes sounds of uploads.

    Args:
        decoder: turns uploads into samples.
        denoiser: None where no bundle of that task is loaded.
        device: runs the denoiser.
    """

    def __init__(self, decoder: AudioDecoder, denoiser: Denoiser | None, device: Batcher) -> None:
        self._decoder = decoder
        self._denoiser = denoiser
        self._device = device

    def check(self, options: Options) -> None:
        """Refuse what cannot be done with any recording.

        Raises:
            Unprocessable: of ``start_s`` and ``end_s``.
            DenoiserUnavailable: denoising is asked for and there is no denoiser.
        """
        start_s, end_s = options.start_s or 0.0, options.end_s
        if not (start_s >= 0 and np.isfinite(start_s)):
            raise Unprocessable("start_s must be 0 or more.", pointer="/start_s")
        if end_s is not None and not end_s > start_s:
            raise Unprocessable("end_s must be after start_s.", pointer="/end_s")
        if options.denoise and self._denoiser is None:
            raise DenoiserUnavailable(pointer="/denoise")

    def open(
        self, data: bytes | memoryview, options: Options, rate_hz: int, hold: Hold, work: Work
    ) -> tuple[Sound, Work]:
        """Decode the chosen range and channels, and denoise each channel on its own.

        Args:
            data: the upload.
            options: the request's parameters, checked by :meth:`check`.
            rate_hz: rate that the samples shall have. A denoiser of another rate gets its own, and what it
                gives is resampled.
            hold: set to the recording's true length.
            work: the request.

        Returns:
            The sound, and the task for what remains to be done with it.

        Raises:
            Problem: as the decoder and :meth:`Batcher.run`.
        """
        denoiser = self._denoiser if options.denoise else None
        decoded_hz = rate_hz if denoiser is None else denoiser.speech.sample_rate_hz
        with work.stage("decode"):
            decoded = self._decoder.audio(data, target_rate_hz=decoded_hz, start_s=options.start_s, end_s=options.end_s)
        hold.resize(decoded.samples.shape[-1] / decoded_hz)
        channels = select_channels(decoded.samples, options.channel)
        if denoiser is None:
            return Sound(decoded.media, channels, decoded.flags), work
        cleaning = work.part(0.0, DENOISING_SHARE)
        cleaned = []
        for index, channel in enumerate(channels):
            samples = self._denoised(
                denoiser, channel.samples, cleaning.part(index / len(channels), (index + 1) / len(channels))
            )
            if decoded_hz != rate_hz:
                with work.stage("decode"):
                    samples = soxr.resample(samples, decoded_hz, rate_hz)
            cleaned.append(NamedChannel(channel.name, samples))
        sound = Sound(decoded.media, cleaned, (*decoded.flags, "denoised"), denoiser.reference)
        return sound, work.part(DENOISING_SHARE, 1.0)

    def _denoised(self, denoiser: Denoiser, samples: FloatArray, work: Work) -> FloatArray:
        """One channel; digital silence stays what it is, whatever a network would make of it."""
        if is_silent(samples, denoiser.speech.sample_rate_hz):
            work.took("denoise", 0.0)
            return samples
        return denoiser.denoise(
            samples, lambda chunks: run_units(self._device, denoiser, chunks, work, stage="denoise"), work.report
        )
