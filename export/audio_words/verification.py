"""Whether a bundle of the bag of audio words counts as NumPy in float64 does (D8), with the codebook of its graph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from export.audio_words.bundle import NETWORK, bags_by_numpy
from export.audio_words.codebook import Codebook
from export.audio_words.descriptors import DESCRIPTORS
from export.bundle.parity import by_graph
from export.evaluation.verification import (
    Check,
    Clip,
    Verification,
    alone_and_together,
    batch_check,
    clips_of,
    verification,
)
from service.card import Card, read_card

MOVED_TOLERANCE = 1e-3
"""Largest share of a recording's counts that may fall to another codeword: frames that lie between two of them."""


def is_audio_words_bundle(card: Card) -> bool:
    """Whether the bundle is a bag of audio words."""
    return card.task == "speech-embedding" and [member.network for member in card.members] == [NETWORK]


def verify_audio_words_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare the graph with NumPy, and a recording alone with the same in a batch.

    Args:
        recordings: float32 [samples] at the bundle's rate.

    Raises:
        ValueError: the graph holds no codebook.
    """
    card = read_card(folder)
    assert card.speech is not None
    file = folder / card.file_with_role("model")
    logarithm = bool(card.settings["logarithm"])
    assignments = int(str(card.settings["assignments"]))
    clips = clips_of(card.speech, recordings)
    expected = bags_by_numpy(clips, codebook_of(onnx.load(file).graph), assignments, logarithm)
    alone, batch_difference = alone_and_together(by_graph(file, "embedding"), clips)
    moved = np.abs(_shares(alone, logarithm) - _shares(expected, logarithm)).sum(axis=1).max() / 2
    return verification(
        card,
        len(clips),
        Check("counts that fall elsewhere than in NumPy", "moved", "moved_tolerance", float(moved), MOVED_TOLERANCE),
        batch_check(batch_difference),
    )


def codebook_of(graph: onnx.GraphProto) -> Codebook:
    """The codebook that a graph of :func:`export.audio_words.graph.audio_words_model` holds.

    Raises:
        ValueError: it holds none.
    """
    constants = {entry.name: entry for entry in graph.initializer}
    if "codebook" not in constants:
        raise ValueError("the graph holds no codebook")

    def scale_of(operator: str) -> NDArray[np.float64]:
        for node in graph.node:
            for name in node.input:
                if node.op_type == operator and name in constants and list(constants[name].dims) == [DESCRIPTORS]:
                    return numpy_helper.to_array(constants[name]).astype(np.float64)
        raise ValueError("the graph does not standardise its descriptors")

    words = numpy_helper.to_array(constants["codebook"]).astype(np.float64).T / -2.0
    return Codebook(words, mean=scale_of("Sub"), scale=scale_of("Mul"))


def _shares(bags: NDArray[np.float32], logarithm: bool) -> NDArray[np.float64]:
    return np.expm1(bags.astype(np.float64)) / bags.shape[1] if logarithm else bags.astype(np.float64)
