"""Whether a denoiser's bundle computes what its network computes, alone and in company."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.denoiser.bundle import load_denoiser_bundle, run_denoiser, run_network
from export.evaluation.verification import Clip, Verification, batch_check, clips_of, difference_check, verification
from service.card import read_card
from service.pipeline.device.session import Session


def verify_denoiser_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare ONNX Runtime with PyTorch, and each recording alone with the same one in a batch."""
    card = read_card(folder)
    assert card.speech is not None
    assert card.parity is not None
    clips = clips_of(card.speech, recordings)
    session = Session(folder / card.file_with_role("model"), device="cpu", threads=1)
    network = load_denoiser_bundle(folder)
    alone = [run_denoiser(session, [clip])[0] for clip in clips]
    together = run_denoiser(session, clips)
    by_torch = [run_network(network, [clip])[0] for clip in clips]

    def largest(others: Sequence[Clip]) -> float:
        """Largest difference of a sample from the clips denoised alone; a row of a batch is longer than its clip."""
        pairs = zip(alone, others, strict=True)
        return max(float(np.abs(own - other[: len(own)]).max()) for own, other in pairs)

    return verification(
        card,
        len(clips),
        difference_check("torch", largest(by_torch), card.parity.tolerance),
        batch_check(largest(list(together))),
    )
