"""Where somebody speaks in a video: the turn column, from voice activity of the sound track."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.functionals import speaker_turn
from service.pipeline.device.task import AudioDecoder, Work
from service.pipeline.media.channels import select_channels
from service.pipeline.results import ChannelChoice, FloatArray
from service.pipeline.speech.voice_activity import Activity
from service.problems import CodecUnsupported, MediaCrashedDecoder, MediaInvalid, NoAudioStream, TooManyChannels


class SpeechFinder(Protocol):
    """Finds speech; the speech pipeline does."""

    @property
    def voice_rate_hz(self) -> int | None:
        """Sample rate that it likes best; None where it has no model."""

    def find_speech(self, samples: FloatArray, rate_hz: int, work: Work) -> Activity | None:
        """Where somebody speaks in one channel."""


@dataclass(frozen=True)
class Turn:
    """``turn`` float64 [steps], 0 or 1, or None where nothing is known; and why: 'no_audio', 'audio_unusable',
    'no_voice_activity'.
    """

    turn: NDArray[np.float64] | None
    flags: tuple[str, ...] = ()


def find_turn(
    data: bytes | memoryview,
    channel: ChannelChoice,
    grid_s: NDArray[np.float64],
    decoder: AudioDecoder,
    finder: SpeechFinder,
    work: Work,
) -> Turn:
    """Find the turn column of an upload whose pictures could be decoded.

    With 'mix' both channels of a stereo track are heard on their own, since they may be one person each.

    Args:
        data: the upload.
        channel: which channels are heard.
        grid_s: float64 [steps], centres of the steps, seconds.
        decoder: decodes the sound.
        finder: finds speech in it.
        work: the request.
    """
    rate_hz = finder.voice_rate_hz
    if rate_hz is None:
        return Turn(None, ("no_voice_activity",))
    try:
        with work.stage("decode"):
            decoded = decoder.audio(data, target_rate_hz=rate_hz, start_s=None, end_s=None)
        listening = replace(work, progress=None)  # it counts from 0; the stages' times stay shared
    except NoAudioStream:
        return Turn(None, ("no_audio",))
    except MediaCrashedDecoder:
        raise
    except (MediaInvalid, CodecUnsupported, TooManyChannels):
        return Turn(None, ("audio_unusable",))
    tracks, step_s = [], 0.0
    for samples in _heard(decoded.samples, channel):
        activity = finder.find_speech(samples, rate_hz, listening)
        if activity is not None:
            tracks.append(activity.is_speech.astype(np.float64))
            step_s = activity.step_s
    return Turn(speaker_turn(tracks, grid_s, step_s) if tracks else None)


def _heard(samples: FloatArray, channel: ChannelChoice) -> list[FloatArray]:
    """The channels to listen to, float32 [n] each; equal ones once."""
    both = channel == "mix" and len(samples) == 2
    heard = [part.samples for part in select_channels(samples, "each" if both else channel)]
    return heard[:1] if both and np.array_equal(heard[0], heard[1]) else heard
