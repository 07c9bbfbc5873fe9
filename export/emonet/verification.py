"""Whether a speech bundle computes what its network computes: three implementations on the same recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.corpora.audio import stack
from export.emonet.bundle import load_network, torch_probabilities
from export.emonet.network import EmoNet
from export.emonet.reference import librosa_picture
from export.evaluation.agreement import BATCH_TOLERANCE, Agreement, clips_of
from export.evaluation.calibration import Calibration
from export.graph.front_end import PRESETS
from service.card import read_card
from service.pipeline.device.session import Session

REFERENCE_TOLERANCE = 2e-3
"""Largest difference of a probability between the graph and librosa's front end in float64 with PyTorch behind."""


@dataclass(frozen=True)
class Verification(Agreement):
    """Agreement with PyTorch, and with librosa's front end where there is one; largest differences of a probability."""

    reference_difference: float | None
    reference_tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the bundle is right."""
        return super().passed and (self.reference_difference or 0.0) <= self.reference_tolerance

    @property
    def summary(self) -> str:
        """The differences in one line."""
        if self.reference_difference is None:
            return super().summary
        return f"{super().summary}, librosa {self.reference_difference:.1e} (≤ {self.reference_tolerance:.0e})"


def verify_speech_bundle(folder: Path, recordings: list[NDArray[np.float32]]) -> Verification:
    """Compare ONNX Runtime with PyTorch, with itself in a batch, and with librosa where the front end is 'open'."""
    card = read_card(folder)
    assert card.speech is not None
    assert card.parity is not None
    clips = clips_of(card.speech, recordings)
    session = Session(folder / card.file_with_role("model"), device="cpu", threads=1)
    network = load_network(folder)
    calibration = Calibration.from_settings(dict(card.settings))

    def answer(batch: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        waveform, lengths = stack(batch)
        return session.run({"waveform": waveform, "lengths": lengths}, ("probabilities",))["probabilities"]

    alone = np.concatenate([answer([clip]) for clip in clips])
    expected = np.concatenate(
        [torch_probabilities(network, card.speech.preset, calibration, *stack([clip])) for clip in clips]
    )
    reference = None
    if card.speech.preset == PRESETS["open"].name:
        by_librosa = np.concatenate([_reference(network, calibration, clip) for clip in clips])
        reference = float(np.abs(alone - by_librosa).max())
    return Verification(
        model=f"{card.name}/{card.version}",
        recordings=len(clips),
        torch_difference=float(np.abs(alone - expected).max()),
        torch_tolerance=card.parity.tolerance,
        batch_difference=float(np.abs(answer(clips) - alone).max()),
        batch_tolerance=BATCH_TOLERANCE,
        reference_difference=reference,
        reference_tolerance=REFERENCE_TOLERANCE,
    )


def _reference(network: EmoNet, calibration: Calibration, clip: NDArray[np.float32]) -> NDArray[np.float32]:
    picture = torch.from_numpy(librosa_picture(clip))
    with torch.inference_mode():
        logits = network(picture[None, None], torch.tensor([picture.shape[1]]))["emotion"]
        return calibration.probabilities(logits.numpy())
