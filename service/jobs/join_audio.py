"""The answer for a long recording out of what its segments gave: the numbers of one single run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.pipeline.media.channels import select_channels
from service.pipeline.results import AudioEmotion, AudioOptions, ChannelEmotion, ModelReference
from service.pipeline.speech.denoise import Denoiser
from service.pipeline.speech.emotion_model import EmotionModel
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.postprocess import channel_emotion, judged_windows
from service.pipeline.speech.windows import Windows


def join_audio(
    inspected: dict[str, Any],
    records: Sequence[dict[str, Any]],
    model: EmotionModel,
    windows: Windows,
    options: AudioOptions,
    denoiser: Denoiser | None,
) -> AudioEmotion:
    """Put an answer together.

    Args:
        inspected: what :class:`~service.jobs.sound_parts.InspectPart` found.
        records: of all segments, in order; the last tells of the whole.
        model: which judged the windows.
        windows: all of them.
        options: of the request.
        denoiser: what took the noise out, if anything did.
    """
    card = model.bundle.card
    whole = records[-1]["whole"]
    names = [
        channel.name for channel in select_channels(np.zeros((inspected["channels"], 1), np.float32), options.channel)
    ]
    channels = [
        _channel(name, number, inspected, records, model, windows, options) for number, name in enumerate(names)
    ]
    least = np.min([channel["least"] for channel in whole], axis=0)
    greatest = np.max([channel["greatest"] for channel in whole], axis=0)
    return AudioEmotion(
        media=inspected["media"],
        model=ModelReference(card.name, card.version, model.bundle.sha256, card.licence.spdx, model.session.provider),
        labels=tuple(card.labels),
        channels=tuple(channels),
        envelope=np.stack([least, greatest], axis=1).astype(np.float32),
        denoiser=None if denoiser is None else denoiser.reference,
    )


def _channel(
    name: str,
    number: int,
    inspected: dict[str, Any],
    records: Sequence[dict[str, Any]],
    model: EmotionModel,
    windows: Windows,
    options: AudioOptions,
) -> ChannelEmotion:
    found = [record["channels"][number] for record in records]
    whole = records[-1]["whole"][number]
    without_voice = whole["steps"] is None
    weights = np.concatenate([part["weights"] for part in found])
    answers: list[WindowAnswer] = [
        {output: part[output][row] for output in model.outputs}
        for part in found
        for row in range(len(judged_windows(part["weights"])))
    ]
    if whole["silent"]:
        weights, answers = np.zeros_like(weights), []
    return channel_emotion(
        name,
        windows,
        answers,
        labels=model.bundle.card.labels,
        outputs=model.outputs,
        weights=weights,
        speech=None if without_voice else weights,
        offset_s=options.start_s or 0.0,
        flags=[
            *inspected["flags"],
            *(["denoised"] if options.denoise else []),
            *(["silent"] if whole["silent"] else []),
            *(["no_voice_activity"] if without_voice else []),
        ],
    )
