"""Whether a bundle on the GE2E encoder computes what its network computes: three implementations, one recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.bundle.emotion import by_graph
from export.evaluation.calibration import Calibration
from export.evaluation.verification import (
    Check,
    Clip,
    Verification,
    alone_and_together,
    batch_check,
    clips_of,
    difference_check,
    verification,
)
from export.graph.high_pass import BELOW_SPEECH, high_passed
from export.speech_representations.bundle import by_network, load_network
from export.speech_representations.encoder import PRESET
from export.speech_representations.network import VoiceNetwork
from service.card import Card, read_card
from service.pipeline.device.session import Session

REFERENCE_TOLERANCE = 1e-3
"""Largest difference of a probability between the graph and librosa's front end with PyTorch behind."""


def is_voice_bundle(card: Card) -> bool:
    """Whether the card is of a network on the GE2E encoder."""
    return card.task == "speech-emotion" and card.speech is not None and card.speech.preset == PRESET.name


def verify_voice_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare ONNX Runtime with PyTorch, with itself in a batch, and with librosa's front end."""
    card = read_card(folder)
    assert card.speech is not None
    assert card.parity is not None
    clips = clips_of(card.speech, recordings)
    network = load_network(folder)
    calibration = Calibration.from_settings(dict(card.settings))
    session = Session(folder / card.file_with_role("model"), device="cpu", threads=1)
    alone, batch_difference = alone_and_together(by_graph(session), clips)
    compute = by_network(network, calibration)
    expected = np.concatenate([compute([clip]) for clip in clips])
    reference = np.concatenate([_reference(network, calibration, clip) for clip in clips])
    return verification(
        card,
        len(clips),
        difference_check("torch", float(np.abs(alone - expected).max()), card.parity.tolerance),
        batch_check(batch_difference),
        Check(
            "librosa",
            "reference_difference",
            "reference_tolerance",
            float(np.abs(alone - reference).max()),
            REFERENCE_TOLERANCE,
        ),
    )


def _reference(network: VoiceNetwork, calibration: Calibration, clip: Clip) -> NDArray[np.float32]:
    import librosa  # slow to import

    power = librosa.feature.melspectrogram(
        y=high_passed(clip, PRESET.sample_rate_hz, BELOW_SPEECH),
        sr=PRESET.sample_rate_hz,
        n_fft=PRESET.fft_samples,
        hop_length=PRESET.hop_samples,
        n_mels=PRESET.bands,
        pad_mode="constant",
    ).T.astype(np.float32)
    with torch.inference_mode():
        logits = network(torch.from_numpy(power)[None], torch.tensor([len(power)]))["emotion"]
    return calibration.probabilities(logits.numpy())
