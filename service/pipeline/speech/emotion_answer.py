"""The answer for a recording, made of what is known of its windows, whichever way it was listened to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.results import (
    AudioEmotion,
    ChannelEmotion,
    FloatArray,
    JudgedWindow,
    MediaInfo,
    ModelReference,
    Timeline,
)
from service.pipeline.speech.extent import joined_outline
from service.pipeline.speech.listener import LEAST_SPEECH_SHARE, HeardWindows, judged_rows
from service.pipeline.speech.model import EmotionModel, WindowAnswer
from service.pipeline.speech.windows import Windows


@dataclass(frozen=True)
class JudgedChannel:
    """All that is known of one channel of a recording.

    Attributes:
        name: in the answer.
        shares: float32 [windows], share of each window that is speech.
        answers: by output the answers for the windows ``judged_rows(shares)``, float32 [judged, …]; empty without any.
        outline: float32 [slices, 2], see :class:`~service.pipeline.speech.extent.Extent`.
        is_silent: whether all of the channel is silence; then nothing in it counts as speech.
    """

    name: str
    shares: FloatArray
    answers: dict[str, FloatArray]
    outline: FloatArray
    is_silent: bool


@dataclass(frozen=True)
class JudgedSound:
    """All that is known of a recording, whichever way it was listened to.

    Attributes:
        media: the file's own facts.
        windows: of the chosen range, the same for every channel.
        channels: in the order of the answer.
        offset_s: where in the recording the first sample lies.
        flags: such as 'clipped'.
        has_voice: whether voice activity was there to find speech.
        denoiser: what took the noise out, if anything did.
    """

    media: MediaInfo
    windows: Windows
    channels: Sequence[JudgedChannel]
    offset_s: float
    flags: tuple[str, ...]
    has_voice: bool
    denoiser: ModelReference | None


def stack_answers(answers: Sequence[WindowAnswer]) -> dict[str, FloatArray]:
    """By output the answers for some windows, float32 [windows, …]; empty without any."""
    names = answers[0] if answers else ()
    return {name: np.stack([answer[name] for answer in answers]) for name in names}


def emotion_answer(sound: JudgedSound, model: EmotionModel, stages_s: dict[str, float]) -> AudioEmotion:
    """The answer for a recording, made of what is known of its channels.

    Args:
        sound: what is known.
        model: which judged the windows.
        stages_s: seconds that each stage took.
    """
    return AudioEmotion(
        media=sound.media,
        model=model.reference,
        labels=tuple(model.bundle.card.labels),
        channels=tuple(_channel_emotion(channel, sound, model) for channel in sound.channels),
        envelope=joined_outline([channel.outline for channel in sound.channels]),
        denoiser=sound.denoiser,
        stages_s=stages_s,
    )


def _channel_emotion(channel: JudgedChannel, sound: JudgedSound, model: EmotionModel) -> ChannelEmotion:
    """The answer for one channel.

    Probabilities, arousal and valence of the whole are means over the judged windows, each counting as much as it holds
    speech. Windows that were not judged are NaN in the timeline. Without any judged window nothing is known: the answer
    is None, flagged 'no_speech'.
    """
    windows, labels = sound.windows, model.bundle.card.labels
    shares, answers = channel.shares, channel.answers
    if channel.is_silent:
        shares, answers = np.zeros_like(shares), {}
    judged = judged_rows(shares)
    weights = shares[judged].astype(np.float64)
    means = {name: np.average(values, axis=0, weights=weights) for name, values in answers.items()}

    def column(name: str) -> FloatArray | None:
        return _spread(answers.get(name), judged, len(windows)) if name in model.outputs else None

    probabilities = means["probabilities"].astype(np.float32) if judged.size else None
    remarks = {
        Flag.DENOISED: sound.denoiser is not None,
        Flag.SILENT: channel.is_silent,
        Flag.NO_VOICE_ACTIVITY: not sound.has_voice,
        Flag.NO_SPEECH: not judged.size,
    }
    return ChannelEmotion(
        channel=channel.name,
        probabilities=probabilities,
        emotion=None if probabilities is None else labels[int(probabilities.argmax())],
        arousal=float(means["arousal"]) if "arousal" in means else None,
        valence=float(means["valence"]) if "valence" in means else None,
        timeline=Timeline(
            start_s=windows.start_s + sound.offset_s,
            end_s=windows.end_s + sound.offset_s,
            probabilities=_spread(answers.get("probabilities"), judged, len(windows), len(labels)),
            arousal=column("arousal"),
            valence=column("valence"),
            speech=shares if sound.has_voice else None,
        ),
        flags=tuple(dict.fromkeys([*sound.flags, *(name for name, is_set in remarks.items() if is_set)])),
    )


def _spread(values: FloatArray | None, rows: NDArray[np.intp], count: int, *shape: int) -> FloatArray:
    """Place ``values`` at ``rows`` of ``count``; NaN elsewhere."""
    table = np.full((count, *shape), np.nan, np.float32)
    if values is not None:
        table[rows] = values
    return table


class TimelineRows:
    """The rows of a timeline before the whole answer is there: in their order, each as soon as it is judged.

    Args:
        heard: the windows of each channel by its name, one channel after the other.
        offset_s: where in the recording the first sample lies.
        has_voice: whether the shares are the voice activity's, and so told as ``speech``.
        first: number of the first window of each channel.
    """

    def __init__(
        self, heard: Sequence[tuple[str, HeardWindows]], offset_s: float, *, has_voice: bool, first: int = 0
    ) -> None:
        self._has_voice = has_voice
        self._rows = iter(
            [
                (name, number, float(start_s), float(end_s), float(share))
                for name, one in heard
                for number, (start_s, end_s, share) in enumerate(
                    zip(one.windows.start_s + offset_s, one.windows.end_s + offset_s, one.shares, strict=True), first
                )
            ]
        )
        self._next = next(self._rows, None)
        self._used = 0

    def known(self, answers: Sequence[WindowAnswer | None]) -> Iterator[JudgedWindow]:
        """The rows that were not given yet, up to the first that is not judged.

        Args:
            answers: for the windows with enough speech, in order; None stands for one that is still awaited.
        """
        while self._next is not None:
            channel, number, start_s, end_s, share = self._next
            is_judged = share >= LEAST_SPEECH_SHARE
            answer = answers[self._used] if is_judged else {}
            if answer is None:
                return
            self._used += is_judged
            self._next = next(self._rows, None)
            yield JudgedWindow(
                channel=channel,
                index=number,
                start_s=start_s,
                end_s=end_s,
                probabilities=answer.get("probabilities"),
                arousal=float(answer["arousal"]) if "arousal" in answer else None,
                valence=float(answer["valence"]) if "valence" in answer else None,
                speech=share if self._has_voice else None,
            )
