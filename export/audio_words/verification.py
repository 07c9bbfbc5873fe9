"""Whether a bundle of the bag of audio words counts as NumPy in float64 does (D8), with the codebook of its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from export.audio_words.codebook import Codebook, audio_words_features
from export.audio_words.descriptors import DESCRIPTORS, low_level_descriptors
from export.corpora.audio import stack
from export.evaluation.agreement import BATCH_TOLERANCE, Clip
from service.card import Card, read_card
from service.pipeline.device.session import Session

NETWORK = "bag-of-audio-words"

MOVED_TOLERANCE = 1e-3
"""Largest share of a recording's counts that may fall to another codeword: frames that lie between two of them."""


@dataclass(frozen=True)
class AudioWordsVerification:
    """How far the graph's bags are from NumPy's, as shares of a recording's counts, and whether that is little enough.

    Attributes:
        moved: largest share of one recording's counts that fall to another codeword.
        batch_difference: largest difference of a value that the company in a batch makes.
    """

    model: str
    recordings: int
    moved: float
    moved_tolerance: float
    batch_difference: float
    batch_tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the bundle is right."""
        return self.moved <= self.moved_tolerance and self.batch_difference <= self.batch_tolerance

    @property
    def summary(self) -> str:
        """The differences in one line."""
        return (
            f"counts that fall elsewhere than in NumPy {self.moved:.1e} (≤ {self.moved_tolerance:.0e}), "
            f"batch {self.batch_difference:.1e} (≤ {self.batch_tolerance:.0e})"
        )

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        return asdict(self) | {"passed": self.passed}


def is_audio_words_bundle(card: Card) -> bool:
    """Whether the bundle is a bag of audio words."""
    return card.task == "speech-embedding" and [member.network for member in card.members] == [NETWORK]


def verify_audio_words_bundle(folder: Path, recordings: Sequence[Clip]) -> AudioWordsVerification:
    """Compare the graph with NumPy, and a recording alone with the same in a batch.

    Args:
        recordings: float32 [samples] at the bundle's rate.

    Raises:
        ValueError: the graph holds no codebook.
    """
    card = read_card(folder)
    assert card.speech is not None
    file = folder / card.file_with_role("model")
    codebook = codebook_of(onnx.load(file).graph)
    limit = round(card.speech.max_length_s * card.speech.sample_rate_hz)
    clips = [clip[:limit] for clip in recordings]
    logarithm = bool(card.settings["logarithm"])
    descriptors = [low_level_descriptors(clip) for clip in clips]
    expected = audio_words_features(descriptors, codebook, int(str(card.settings["assignments"])), logarithm)
    session = Session(file, device="cpu", threads=1)

    def bags(batch: list[Clip]) -> NDArray[np.float32]:
        waveform, lengths = stack(batch)
        return session.run({"waveform": waveform, "lengths": lengths}, ("embedding",))["embedding"]

    alone = np.concatenate([bags([clip]) for clip in clips])
    difference = np.abs(_shares(alone, logarithm) - _shares(expected, logarithm)).sum(axis=1)
    return AudioWordsVerification(
        model=f"{card.name}/{card.version}",
        recordings=len(clips),
        moved=float(difference.max()) / 2,
        moved_tolerance=MOVED_TOLERANCE,
        batch_difference=float(np.abs(bags(clips) - alone).max()),
        batch_tolerance=BATCH_TOLERANCE,
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
