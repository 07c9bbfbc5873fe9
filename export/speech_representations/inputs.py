"""Inputs of the speech encoders: names, rates and windows of each, and clips as their networks take them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from export.corpora.audio import stack
from export.evaluation.verification import Clip
from export.graph.front_end import FrontEnd
from export.graph.high_pass import BELOW_SPEECH, high_passed
from export.speech_representations.encoder import PRESET
from export.speech_representations.recogniser.spectrogram import SAMPLE_RATE_HZ, magnitude
from service.card import SpeechInput, TrainingData

RECOGNISER, GE2E, SPEAKERS = "recogniser", "ge2e-encoder", "ge2e-speakers"

SPEECH = {
    RECOGNISER: SpeechInput(
        sample_rate_hz=SAMPLE_RATE_HZ, window_s=10.0, hop_s=10.0, min_length_s=0.2, max_length_s=30.0, preset=RECOGNISER
    ),
    GE2E: SpeechInput(
        sample_rate_hz=PRESET.sample_rate_hz,
        window_s=3.0,
        hop_s=3.0,
        min_length_s=0.2,
        max_length_s=30.0,
        preset=PRESET.name,
        high_pass_hz=BELOW_SPEECH.below_hz,
    ),
    SPEAKERS: SpeechInput(
        sample_rate_hz=PRESET.sample_rate_hz,
        window_s=1.6,
        hop_s=0.8,
        min_length_s=0.2,
        max_length_s=30.0,
        preset=PRESET.name,
        high_pass_hz=BELOW_SPEECH.below_hz,
        cpu_batch=4,
    ),
}
GE2E_DATA = TrainingData(
    name="GE2E encoder of resemblyzer 0.1.4",
    licence="Apache-2.0",
    reference="Weights by Resemble AI; Wan et al. 2018, arXiv:1710.10467",
)


def magnitudes(clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
    """The recogniser's input: magnitudes float32 [batch, 161, frames] and frames int64 [batch]."""
    waveform, lengths = stack(clips)
    return magnitude(torch.from_numpy(waveform), torch.from_numpy(lengths))


def mel_power(clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
    """The GE2E encoder's input: mel power float32 [batch, steps, 40] and frames int64 [batch]."""
    waveform, lengths = stack([high_passed(clip, PRESET.sample_rate_hz, BELOW_SPEECH) for clip in clips])
    power, frames = FrontEnd(PRESET)(torch.from_numpy(waveform), torch.from_numpy(lengths))
    return power.transpose(1, 2), frames
