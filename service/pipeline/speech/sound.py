"""An upload's channels as they are judged: decoded, and denoised where that was asked for."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.pipeline.audio_options import EmbeddingOptions
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.sample_buffer import budgeted_samples
from service.pipeline.device.admit import Hold
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.task import Work
from service.pipeline.media.channels import NamedChannel
from service.pipeline.options import check_range
from service.pipeline.results import FlagSpan, FloatArray, MediaInfo, ModelReference
from service.pipeline.speech.denoise import ChannelDenoiser, Denoiser
from service.pipeline.speech.extent import Extent
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.resampling import StretchResampler, resampled_length
from service.problems import DenoiserUnavailable

DENOISING_SHARE = 0.5
"""Part of the progress that denoising makes up where it is asked for."""

DECODING_SHARE = 0.75
"""Share of the time until the deadline that decoding may take; the rest is for the models."""

BLOCK_S = 60.0
"""Sound goes through the denoiser in blocks of this length, so that no further copy of all of it is made."""


@dataclass(frozen=True)
class Sound:
    """A recording as the models hear it.

    Attributes:
        media: the file's own facts.
        channels: those that were chosen, at the rate asked for, all of one length.
        flags: such as 'clipped'.
        denoiser: what took the noise out, if anything did.
        spans: when some of the flags hold.
    """

    media: MediaInfo
    channels: list[NamedChannel]
    flags: tuple[str, ...]
    denoiser: ModelReference | None = None
    spans: tuple[FlagSpan, ...] = ()


class SoundSource:
    """Opens uploads.

    Args:
        decoder: turns uploads into samples.
        denoiser: None where no bundle of that task is loaded.
        device: runs the denoiser.
    """

    def __init__(self, decoder: Decoder, denoiser: Denoiser | None, device: Batcher) -> None:
        self._decoder = decoder
        self._denoiser = denoiser
        self._device = device

    def check(self, options: EmbeddingOptions) -> None:
        """Refuse what cannot be done with any recording.

        Raises:
            Unprocessable: ``start_s`` and ``end_s`` are no range.
            DenoiserUnavailable: denoising is asked for and there is no denoiser.
        """
        check_range(options.start_s, options.end_s)
        if options.denoise and self._denoiser is None:
            raise DenoiserUnavailable(pointer="/denoise")

    def open(
        self, data: bytes | memoryview, options: EmbeddingOptions, rate_hz: int, hold: Hold, work: Work
    ) -> tuple[Sound, Work]:
        """Decode the chosen range and channels, and denoise each channel on its own.

        Args:
            data: the upload.
            options: the request's parameters, checked by :meth:`check`.
            rate_hz: rate that the samples shall have. A denoiser of another rate gets its own, and what it
                gives is resampled.
            hold: set to the length that a long recording's header promises, then to the true one.
            work: the request.

        Returns:
            The sound, and the task for what remains to be done with it.

        Raises:
            Problem: as the decoder and :meth:`Batcher.run`.
            Cancelled: the work was cancelled.
        """
        denoiser = self._denoiser if options.denoise else None
        decoded_hz = rate_hz if denoiser is None else denoiser.speech.sample_rate_hz
        with work.stage("decode"):
            decoded = self._decoder.audio(
                data,
                target_rate_hz=decoded_hz,
                start_s=options.start_s,
                end_s=options.end_s,
                channel=options.channel,
                track=options.track,
                cancel=work.cancel,
                ends_at=time.monotonic() + DECODING_SHARE * (work.deadline - time.monotonic()),
                expect=lambda promised_s: hold.resize(max(hold.seconds, promised_s)),
            )
        hold.resize(decoded.samples.shape[-1] / decoded_hz)
        channels = [NamedChannel(*named) for named in zip(decoded.names, decoded.samples, strict=True)]
        if denoiser is None:
            return Sound(decoded.media, channels, decoded.flags, spans=decoded.spans), work
        cleaning = work.part(0.0, DENOISING_SHARE)
        target = self._room_for(decoded.samples, decoded_hz, rate_hz)
        cleaned = []
        for index, channel in enumerate(channels):
            own = cleaning.part(index / len(channels), (index + 1) / len(channels))
            samples = self._denoised(denoiser, channel.samples, target[index], rate_hz, own)
            cleaned.append(NamedChannel(channel.name, samples))
        sound = Sound(decoded.media, cleaned, decoded.flags, denoiser.reference, decoded.spans)
        return sound, work.part(DENOISING_SHARE, 1.0)

    def _room_for(self, noisy: FloatArray, noisy_hz: int, rate_hz: int) -> FloatArray:
        """Memory for denoised channels: that of the noisy ones, unless the denoised ones have more samples.

        Raises:
            MediaTooLong, CapacityExceeded: the budget of decoded sound is spent.
        """
        samples = resampled_length(noisy.shape[1], noisy_hz, rate_hz)
        if samples <= noisy.shape[1]:
            return noisy
        return budgeted_samples(self._decoder.budget, len(noisy), samples, beside_bytes=noisy.nbytes)

    def _denoised(
        self, denoiser: Denoiser, samples: FloatArray, target: FloatArray, rate_hz: int, work: Work
    ) -> FloatArray:
        """One channel without its noise, at ``rate_hz``, in ``target``, which may be where ``samples`` are."""
        noisy_hz = denoiser.speech.sample_rate_hz
        channel = ChannelDenoiser(denoiser, len(samples), rate_hz)
        done = 0

        def run_chunks(chunks: list[FloatArray]) -> list[WindowAnswer]:
            nonlocal done
            answers = run_units(self._device, denoiser, chunks, work, stage="denoise")
            done += len(chunks)
            work.report(done / channel.chunks)
            return answers

        work.took("denoise", 0.0)  # the stage is told even where all of the channel is silence
        take: Callable[..., FloatArray] = functools.partial(channel.take, run_chunks=run_chunks)
        block, filled = round(BLOCK_S * noisy_hz), 0
        if _is_silent(samples, noisy_hz, rate_hz, block):  # stays silent, whatever a network would make of it
            take = StretchResampler(noisy_hz, rate_hz).take
        for first in range(0, len(samples), block):
            clean = take(samples[first : first + block].copy(), last=first + block >= len(samples))
            target[filled : filled + len(clean)] = clean
            filled += len(clean)
        return target[:filled]


def _is_silent(samples: FloatArray, samples_hz: int, rate_hz: int, block: int) -> bool:
    """Whether a channel is silent at ``rate_hz``, as a job finds it; float32 [n] in blocks of so many samples."""
    resampler = StretchResampler(samples_hz, rate_hz)
    extent = Extent(resampled_length(len(samples), samples_hz, rate_hz), rate_hz)
    for first in range(0, len(samples), block):
        extent.add(resampler.take(samples[first : first + block], last=first + block >= len(samples)))
        if extent.is_loud:
            return False
    return extent.is_silent
