"""Whether a denoiser's bundle computes what its network computes, alone and in company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.denoiser.bundle import load_denoiser_bundle, run_denoiser, torch_difference
from export.evaluation.agreement import BATCH_TOLERANCE, Agreement, clips_of
from service.card import read_card
from service.pipeline.device.session import Session


def verify_denoiser_bundle(folder: Path, recordings: list[NDArray[np.float32]]) -> Agreement:
    """Compare ONNX Runtime with PyTorch, and each recording alone with the same one in a batch."""
    card = read_card(folder)
    assert card.speech is not None
    assert card.parity is not None
    clips = clips_of(card.speech, recordings)
    session = Session(folder / card.file_with_role("model"), device="cpu", threads=1)
    network = load_denoiser_bundle(folder)
    together = run_denoiser(session, clips)
    batch_difference = max(
        float(np.abs(row[: len(clip)] - run_denoiser(session, [clip])[0]).max())
        for row, clip in zip(together, clips, strict=True)
    )
    return Agreement(
        model=f"{card.name}/{card.version}",
        recordings=len(clips),
        torch_difference=max(torch_difference(session, network, [clip]) for clip in clips),
        torch_tolerance=card.parity.tolerance,
        batch_difference=batch_difference,
        batch_tolerance=BATCH_TOLERANCE,
    )
