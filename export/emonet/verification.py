"""Whether a speech bundle computes what its network computes: three implementations on the same recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.bundle.emotion import by_graph
from export.emonet.bundle import by_network, load_network
from export.emonet.network import EmoNet
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
from export.graph.front_end import POWER_RANGE_DB, PRESETS
from export.graph.high_pass import high_passed
from service.card import read_card
from service.pipeline.device.session import Session

REFERENCE_TOLERANCE = 2e-3
"""Largest difference of a probability between the graph and librosa's front end in float64 with PyTorch behind."""


def verify_speech_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare ONNX Runtime with PyTorch, with itself in a batch, and with librosa where the front end is 'open'."""
    card = read_card(folder)
    assert card.speech is not None
    assert card.parity is not None
    clips = clips_of(card.speech, recordings)
    network = load_network(folder)
    calibration = Calibration.from_settings(dict(card.settings))
    session = Session(folder / card.file_with_role("model"), device="cpu", threads=1)
    alone, batch_difference = alone_and_together(by_graph(session), clips)
    is_high_passed = card.speech.high_pass_hz is not None
    by_torch = by_network(network, card.speech.preset, calibration, is_high_passed=is_high_passed)
    expected = np.concatenate([by_torch([clip]) for clip in clips])
    reference = None
    if card.speech.preset == PRESETS["open"].name:
        heard = [high_passed(clip, card.speech.sample_rate_hz) for clip in clips] if is_high_passed else clips
        by_librosa = np.concatenate([_reference(network, calibration, clip) for clip in heard])
        reference = float(np.abs(alone - by_librosa).max())
    return verification(
        card,
        len(clips),
        difference_check("torch", float(np.abs(alone - expected).max()), card.parity.tolerance),
        batch_check(batch_difference),
        Check("librosa", "reference_difference", "reference_tolerance", reference, REFERENCE_TOLERANCE),
    )


def _reference(network: EmoNet, calibration: Calibration, clip: NDArray[np.float32]) -> NDArray[np.float32]:
    picture = torch.from_numpy(librosa_picture(clip))
    with torch.inference_mode():
        logits = network(picture[None, None], torch.tensor([picture.shape[1]]))["emotion"]
        return calibration.probabilities(logits.numpy())


def librosa_picture(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Picture of one clip, float32 [128, frames], as the CREMA-D features were made.

    Args:
        waveform: float32 [samples] at 16 kHz, at most 3.0 s; a shorter one is padded with silence, as there.
    """
    import librosa  # slow to import

    preset = PRESETS["open"]
    padded = np.zeros(preset.full_length_samples, dtype=np.float32)
    padded[: len(waveform)] = waveform
    power = librosa.feature.melspectrogram(
        y=padded,
        sr=preset.sample_rate_hz,
        n_fft=preset.fft_samples,
        hop_length=preset.hop_samples,
        n_mels=preset.bands,
        pad_mode="constant",
    )
    frames = preset.frames(len(waveform))
    # Our floor is relative to the clip's maximum; librosa's absolute floor (amin) is set out of its way.
    decibels = librosa.power_to_db(power, ref=power[:, :frames].max(), amin=1e-30, top_db=None)
    decibels = np.maximum(decibels, -POWER_RANGE_DB)
    minimum, maximum = decibels.min(), decibels[:, :frames].max()
    return ((decibels - minimum) / (maximum - minimum))[:, :frames].astype(np.float32)
