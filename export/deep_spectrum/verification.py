"""Whether a Deep Spectrum bundle computes what its network computes, on the same recordings.

The network is rebuilt in PyTorch from the weights inside the graph, since weights of others are not stored twice, and
is given the picture that the graph has drawn. Where matplotlib's picture can be drawn, the embedding of that is
compared too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper

from export.corpora.audio import stack
from export.deep_spectrum.networks.graph import EMBEDDING, PICTURE
from export.deep_spectrum.networks.network import EmbeddingNetwork
from export.deep_spectrum.networks.normalisation import CONVENTIONS, Convention, Omission, omissions
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.networks.variants import Variant
from export.deep_spectrum.plot_choice import plot_preset
from export.deep_spectrum.weights.onnx_layers import layers_of
from export.deep_spectrum.weights.onnx_names import names_by_order
from export.evaluation.verification import (
    Check,
    Clip,
    Verification,
    batch_check,
    clips_of,
    difference_check,
    verification,
)
from export.graph.builder import FLOAT
from service.card import Card, read_card
from service.pipeline.device.session import Session

TOLERANCE = 1e-4
"""Largest difference between PyTorch and ONNX Runtime, relative to the largest value of the embeddings."""

TOOLKIT_COSINE = 0.995
"""Smallest cosine between embeddings of the graph's picture and of the one that librosa and matplotlib draw."""


@dataclass(frozen=True)
class Reference:
    """A network in PyTorch with its normalisation."""

    network: EmbeddingNetwork
    convention: Convention
    omits: frozenset[Omission]

    def embed(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings of pictures float32 [batch, 3, size, size], RGB, 0 … 255."""
        with torch.inference_mode():
            given = np.ascontiguousarray(self.convention.apply(pictures, self.omits))
            return self.network(torch.from_numpy(given)).numpy()


@dataclass(frozen=True)
class Embeddings:
    """Outputs of a graph for clips, each alone: embeddings [clips, dim], pictures [clips, 3, size, size]."""

    embeddings: NDArray[np.float32]
    pictures: NDArray[np.float32]
    batch_difference: float

    def relative(self, other: NDArray[np.float32]) -> float:
        """Largest difference to ``other``, relative to the largest value."""
        return float(np.abs(self.embeddings - other).max() / max(float(np.abs(other).max()), 1e-12))


def embed_clips(model: onnx.ModelProto, clips: Sequence[Clip]) -> Embeddings:
    """Run a bundle's graph on each clip alone and on all at once; ``model`` gets the picture as an output."""
    if PICTURE not in [value.name for value in model.graph.output]:
        model.graph.output.append(helper.make_tensor_value_info(PICTURE, FLOAT, None))
    session = Session(model.SerializeToString(), device="cpu", threads=1)

    def run(batch: Sequence[Clip]) -> dict[str, NDArray[np.float32]]:
        waveform, lengths = stack(list(batch))
        return session.run({"waveform": waveform, "lengths": lengths}, (EMBEDDING, PICTURE))

    alone = [run([clip]) for clip in clips]
    embeddings = np.concatenate([result[EMBEDDING] for result in alone])
    pictures = np.concatenate([result[PICTURE] for result in alone])
    together = run(clips)[EMBEDDING]
    scale = max(float(np.abs(embeddings).max()), 1e-12)
    return Embeddings(embeddings, pictures, float(np.abs(together - embeddings).max() / scale))


def verify_extractor_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare ONNX Runtime with PyTorch, with itself in a batch, and with the toolkit's picture where it can be drawn.

    Args:
        recordings: float32 [samples] at the bundle's rate.
    """
    card = read_card(folder)
    assert card.speech is not None
    model = onnx.load(folder / card.file_with_role("model"))
    reference = reference_of(card, model.graph)
    clips = clips_of(card.speech, recordings)
    embedded = embed_clips(model, clips)
    tolerance = card.parity.tolerance if card.parity is not None else TOLERANCE
    cosine = _toolkit_cosine(card, reference, embedded, clips)
    return verification(
        card,
        len(clips),
        difference_check("torch", embedded.relative(reference.embed(embedded.pictures)), tolerance),
        batch_check(embedded.batch_difference),
        Check(
            "toolkit's picture cosine", "toolkit_cosine", "toolkit_least_cosine", cosine, TOOLKIT_COSINE, at_least=True
        ),
    )


def reference_of(card: Card, graph: onnx.GraphProto) -> Reference:
    """The network of a bundle, rebuilt from the weights in its graph and the normalisation on its card."""
    name, normalisation = str(card.settings["network"]), str(card.settings["normalisation"])
    layer = str(card.settings.get("module", ""))
    tensors = names_by_order(name, layers_of(graph, behind=PICTURE), card.name, layer)
    variant: Variant = "tensorflow" if card.settings["variant"] == "tensorflow" else "torch"
    return Reference(
        network=EmbeddingNetwork(name, variant, layer).load(tensors),
        convention=CONVENTIONS[str(card.settings["convention"])],
        omits=omissions(normalisation, EXTRACTORS[name].toolkit_omits),
    )


def _toolkit_cosine(card: Card, reference: Reference, embedded: Embeddings, clips: Sequence[Clip]) -> float | None:
    """Smallest cosine over the clips, or None where the toolkit's picture cannot be drawn."""
    try:
        from export.deep_spectrum.picture.toolkit_picture import toolkit_picture
    except ImportError:
        return None
    assert card.speech is not None
    preset, size = plot_preset(str(card.settings["plot"])), EXTRACTORS[str(card.settings["network"])].size
    drawn = [toolkit_picture(clip, preset, size, card.speech.sample_rate_hz) for clip in clips]
    expected = reference.embed(np.stack(drawn).astype(np.float32).transpose(0, 3, 1, 2))
    products = (embedded.embeddings * expected).sum(axis=1)
    lengths = np.linalg.norm(embedded.embeddings, axis=1) * np.linalg.norm(expected, axis=1)
    return float((products / lengths).min())
