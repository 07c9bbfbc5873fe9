"""The graph of a bundle beside what it was made of: how it runs, and how far the two differ."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.corpora.audio import stack
from export.evaluation.verification import Clip, Compute, largest_difference, refuse_difference
from service.card import Parity
from service.pipeline.device.session import Device, Session


def by_graph(graph: bytes | Path, output: str, device: Device = "cpu", threads: int = 1) -> Compute:
    """The graph of a bundle of speech: clips to its ``output``, float32 [clips, …]."""
    session = Session(graph, device=device, threads=threads)

    def compute(clips: Sequence[Clip]) -> NDArray[np.float32]:
        waveform, lengths = stack(clips)
        return session.run({"waveform": waveform, "lengths": lengths}, (output,))[output]

    return compute


def measured_parity(
    name: str,
    pairs: Sequence[tuple[Compute, Compute]],
    recordings: Sequence[Clip],
    tolerance: float,
    against: str = f"PyTorch {torch.__version__}",
) -> Parity:
    """How far graphs are from what they were made of, each recording alone and all in one batch.

    Args:
        name: of the bundle.
        pairs: each graph and its reference.
        recordings: float32 [samples] each.
        tolerance: the largest difference allowed.
        against: what the references are, for people.

    Raises:
        ParityError: they differ by more.
    """
    difference = float(np.max([largest_difference(graph, reference, recordings) for graph, reference in pairs]))
    refuse_difference(name, difference, tolerance, against)
    return Parity(
        tolerance=tolerance,
        largest_difference=difference,
        against=f"{against} on {len(recordings)} recordings, alone and in one batch",
    )
