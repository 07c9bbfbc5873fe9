"""Whether a bundle on the GE2E encoder computes what its network computes: three implementations, one recording."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.bundle.emotion import verify_emotion_bundle
from export.evaluation.calibration import Calibration
from export.evaluation.verification import Clip, Verification
from export.speech_representations.bundle import by_network, calibrated, load_network
from export.speech_representations.encoder import PRESET
from export.speech_representations.encoder_bundle import librosa_power
from export.speech_representations.network import VoiceNetwork
from service.card import Card, read_card

REFERENCE_TOLERANCE = 1e-3
"""Largest difference of a probability between the graph and librosa's front end with PyTorch behind."""


def is_voice_bundle(card: Card) -> bool:
    """Whether the card is of a network on the GE2E encoder."""
    return card.task == "speech-emotion" and card.speech is not None and card.speech.preset == PRESET.name


def verify_voice_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare ONNX Runtime with PyTorch, with itself in a batch, and with librosa's front end."""
    network, calibration = load_network(folder), Calibration.from_settings(dict(read_card(folder).settings))

    def librosa(clips: Sequence[Clip]) -> NDArray[np.float32]:
        return np.concatenate([_reference(network, calibration, clip) for clip in clips])

    compute = by_network(network, calibration)
    return verify_emotion_bundle(folder, recordings, compute, librosa, REFERENCE_TOLERANCE)


def _reference(network: VoiceNetwork, calibration: Calibration, clip: Clip) -> NDArray[np.float32]:
    power = librosa_power(clip)
    with torch.inference_mode():
        return calibrated(network, calibration, torch.from_numpy(power)[None], torch.tensor([len(power)]))
