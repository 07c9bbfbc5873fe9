"""Whether a speech bundle computes what its network computes: three implementations on the same recordings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.bundle.emotion import verify_emotion_bundle
from export.emonet.bundle import by_network, load_network
from export.emonet.network import EmoNet
from export.evaluation.calibration import Calibration
from export.evaluation.verification import Clip, Verification
from export.graph.front_end import POWER_RANGE_DB, PRESETS
from export.graph.high_pass import high_passed
from service.card import read_card

REFERENCE_TOLERANCE = 2e-3
"""Largest difference of a probability between the graph and librosa's front end in float64 with PyTorch behind."""


def verify_speech_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare ONNX Runtime with PyTorch, with itself in a batch, and with librosa where the front end is 'open'."""
    card = read_card(folder)
    assert card.speech is not None
    rate_hz, preset, is_high_passed = (
        card.speech.sample_rate_hz,
        card.speech.preset,
        card.speech.high_pass_hz is not None,
    )
    network, calibration = load_network(folder), Calibration.from_settings(dict(card.settings))

    def librosa(clips: Sequence[Clip]) -> NDArray[np.float32]:
        heard = [high_passed(clip, rate_hz) for clip in clips] if is_high_passed else clips
        return np.concatenate([_reference(network, calibration, clip) for clip in heard])

    first, *others = (
        (domain, by_network(network, preset, calibration, is_high_passed=is_high_passed, domain=domain))
        for domain in network.config.domains
    )
    reference = librosa if preset == PRESETS["open"].name else None
    return verify_emotion_bundle(folder, recordings, first[1], reference, REFERENCE_TOLERANCE, dict(others))


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
