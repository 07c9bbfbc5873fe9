"""The sound track of a video: the steps at which somebody speaks, for the turn column."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.audio_options import ChannelChoice
from service.pipeline.decoding.decode import Decoder
from service.pipeline.device.task import Work
from service.pipeline.media.channels import PickedChannels
from service.pipeline.results import FloatArray
from service.pipeline.speech_pipeline import SpeechPipeline
from service.pipeline.video.assemble import SpeakerTurn
from service.problems import CodecUnsupported, MediaCrashedDecoder, MediaInvalid, NoAudioStream, TooManyChannels


def find_turn(
    data: bytes | memoryview,
    channel: ChannelChoice,
    grid_s: NDArray[np.float64],
    decoder: Decoder,
    speech: SpeechPipeline,
    work: Work,
    track: int | None = None,
) -> SpeakerTurn:
    """Find the speaker turn of an upload whose pictures could be decoded.

    With 'mix' both channels of a stereo track are heard on their own, since they may be one person each.

    Args:
        data: the upload.
        channel: which channels are heard.
        grid_s: float64 [steps], centres of the steps, seconds.
        decoder: decodes the sound.
        speech: finds speech in it.
        work: the request.
        track: number of the sound track; None leaves the choice to the decoder.
    """
    voices: PickedChannels = "voices" if channel == "mix" else channel
    rate_hz = speech.voice_rate_hz
    if rate_hz is None:
        return SpeakerTurn(None, (Flag.NO_VOICE_ACTIVITY,))
    try:
        with work.stage("decode"):
            decoded = decoder.audio(data, target_rate_hz=rate_hz, channel=voices, track=track, cancel=work.cancel)
        listening = replace(work, progress=None)  # it counts from 0; the stages' times stay shared
    except NoAudioStream:
        return SpeakerTurn(None, (Flag.NO_AUDIO,))
    except MediaCrashedDecoder:
        raise
    except (MediaInvalid, CodecUnsupported, TooManyChannels):
        return SpeakerTurn(None, (Flag.AUDIO_UNUSABLE,))
    tracks, step_s = [], 0.0
    for samples in _heard(decoded.samples, channel):
        activity = speech.find_speech(samples, rate_hz, listening)
        if activity is not None:
            tracks.append(activity.is_speech.astype(np.float64))
            step_s = activity.step_s
    return SpeakerTurn.heard(tracks, grid_s, step_s, decoded.spans) if tracks else SpeakerTurn(None)


def _heard(samples: FloatArray, channel: ChannelChoice) -> list[FloatArray]:
    """The channels to listen to, float32 [n] each; equal ones once."""
    heard = list(samples)
    return heard[:1] if channel == "mix" and len(heard) == 2 and np.array_equal(*heard) else heard
