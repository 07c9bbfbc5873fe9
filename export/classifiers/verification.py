"""Whether a bundle's classifier computes what its numbers say: the graph against NumPy on the same embeddings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from export.classifiers.fitting import Linear
from export.classifiers.head import TENSORS, Head, HeadCard
from export.corpora.audio import stack
from export.evaluation.verification import Clip, Verification, batch_check, clips_of, difference_check, verification
from service.card import Card, SpeechInput, read_card
from service.pipeline.device.session import Session

TOLERANCE = 1e-5
"""Largest difference of a probability between the graph and float64 NumPy behind the same embedding."""


def is_classifier_bundle(card: Card) -> bool:
    """Whether the bundle holds linear classifiers behind its networks."""
    return any(entry.role in ("head", "head-0") for entry in card.files.values())


def verify_classifier_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare the graph's probabilities with those of the bundle's heads behind its own embedding."""
    card = read_card(folder)
    assert card.speech is not None
    heads = read_heads(folder, card)
    kind = None if card.settings["fusion"] == "none" else str(card.settings["fusion"])
    graph = (folder / card.file_with_role("model")).read_bytes()
    alone, batch = differences(graph, heads, kind, card.speech, recordings)
    return verification(card, len(recordings), difference_check("classifier", alone, TOLERANCE), batch_check(batch))


def read_heads(folder: Path, card: Card) -> list[Head]:
    """The classifiers of a bundle, in order."""
    roles = {entry.role: name for name, entry in card.files.items()}
    marks = [""] if "head" in roles else [f"-{place}" for place in range(sum("head-card-" in role for role in roles))]
    heads = []
    for mark in marks:
        tensors = load((folder / roles[f"head{mark}"]).read_bytes())
        stated = HeadCard.model_validate_json((folder / roles[f"head-card{mark}"]).read_bytes())
        heads.append(Head(Linear(**{name: tensors[name] for name in TENSORS}), stated))
    return heads


def differences(
    graph: bytes, heads: Sequence[Head], kind: str | None, speech: SpeechInput, recordings: Sequence[Clip]
) -> tuple[float, float]:
    """Largest difference between graph and heads, and between a clip alone and in the company of all others."""
    session = Session(graph, device="cpu", threads=1)
    clips = clips_of(speech, recordings)
    outputs = ("probabilities", "embedding")
    alone, expected = [], []
    for clip in clips:
        waveform, lengths = stack([clip])
        answer = session.run({"waveform": waveform, "lengths": lengths}, outputs)
        alone.append(answer["probabilities"])
        expected.append(judged(answer["embedding"].astype(np.float64), heads, kind))
    waveform, lengths = stack(clips)
    together = session.run({"waveform": waveform, "lengths": lengths}, ("probabilities",))["probabilities"]
    by_graph = np.concatenate(alone)
    return (float(np.abs(by_graph - np.concatenate(expected)).max()), float(np.abs(by_graph - together).max()))


def judged(embedding: NDArray[np.float64], heads: Sequence[Head], kind: str | None) -> NDArray[np.float64]:
    """Probabilities float64 [batch, classes] of the whole embedding; a late fusion's heads take their columns of it."""
    if kind != "late":
        return heads[0].probabilities(embedding)
    ends = np.cumsum([head.card.dimensions for head in heads])
    parts = np.split(embedding, ends[:-1], axis=1)
    return np.mean([head.probabilities(part) for head, part in zip(heads, parts, strict=True)], axis=0)
