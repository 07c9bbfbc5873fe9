"""Embeddings of a sound: its windows through the graph, put in rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.task import Work
from service.pipeline.media.channels import NamedChannel
from service.pipeline.results import FloatArray
from service.pipeline.speech.embedding_model import EMBEDDING, EmbeddingModel
from service.pipeline.speech.embedding_results import AudioEmbedding, ChannelEmbedding, EmbeddingOptions
from service.pipeline.speech.postprocess import is_silent
from service.pipeline.speech.sound import Sound
from service.pipeline.speech.windows import Windows, plan_windows
from service.problems import AnswerTooLarge
from service.settings import Limits


def embed_sound(
    sound: Sound, model: EmbeddingModel, options: EmbeddingOptions, limits: Limits, device: Batcher, work: Work
) -> AudioEmbedding:
    """Embed every window of every channel.

    An embedding is defined for any sound, so nobody looks for speech. Only of a window that is digital
    silence (or a constant) there is nothing to tell: its row is NaN, flagged 'silent' where all of the
    channel is, else 'silent_windows'.

    Args:
        sound: at the model's rate.
        model: what embeds.
        options: the request's parameters.
        limits: of windows and of numbers in the answer.
        device: runs the model.
        work: the request.

    Raises:
        Unprocessable, MediaTooShort: as :func:`plan_windows`.
        AnswerTooLarge: more numbers than the limit.
        Problem: as :meth:`Batcher.run`.
    """
    windows = plan_windows(
        len(sound.channels[0].samples), model.speech, limits, window_s=options.window_s, hop_s=options.hop_s
    )
    tables = len(sound.channels) + (options.channel == "each")  # whose answer holds the mean, too
    _check_size(len(windows) * model.dimensions * tables, limits)
    heard = [_heard_windows(channel.samples, windows) for channel in sound.channels]
    units = [
        channel.samples[start : start + windows.length_samples]
        for channel, indices in zip(sound.channels, heard, strict=True)
        for start in windows.start_samples[indices]
    ]
    answers = iter(run_units(device, model, units, work, lambda finished: work.report(finished / len(units))))
    with work.stage("post"):
        channels = []
        for channel, indices in zip(sound.channels, heard, strict=True):
            rows = np.full((len(windows), model.dimensions), np.nan, np.float32)
            for index in indices:
                rows[index] = next(answers)[EMBEDDING]
            channels.append(_answer(channel, rows, indices, sound))
    offset_s = options.start_s or 0.0
    return AudioEmbedding(
        media=sound.media,
        model=model.reference,
        dimensions=model.dimensions,
        start_s=windows.start_s + offset_s,
        end_s=windows.end_s + offset_s,
        channels=tuple(channels),
        denoiser=sound.denoiser,
        stages_s=work.stages_s,
    )


def _check_size(values: int, limits: Limits) -> None:
    if values > limits.max_embedding_values:
        raise AnswerTooLarge(
            f"That makes {values} numbers, the limit is {limits.max_embedding_values}: choose a longer hop.",
            pointer="/hop_s",
        )


def _heard_windows(samples: FloatArray, windows: Windows) -> NDArray[np.intp]:
    """Indices of the windows that are not silent."""
    length, rate_hz = windows.length_samples, windows.rate_hz
    sounds = [not is_silent(samples[start : start + length], rate_hz) for start in windows.start_samples]
    return np.flatnonzero(sounds)


def _answer(channel: NamedChannel, rows: FloatArray, heard: NDArray[np.intp], sound: Sound) -> ChannelEmbedding:
    flags = list(sound.flags)
    if not heard.size:
        flags.append("silent")
    elif heard.size < len(rows):
        flags.append("silent_windows")
    return ChannelEmbedding(channel.name, rows, tuple(flags))
