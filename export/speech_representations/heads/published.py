"""Encoders of transformers as heads hear them; transformers is imported here alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from export.bundle.write import MAX_GRAPH_BYTES
from export.corpora.audio import stack
from export.evaluation.verification import Clip
from export.published.bundle import HOP_S, MAX_LENGTH_S, WINDOW_S
from export.published.folder import PublishedError, PublishedFolder
from export.published.network import published_model
from export.published.reading import checked
from export.speech_representations.heads.encoders import LayeredEncoder, Reference
from export.speech_representations.heads.pooling import Layers
from service.card import Card, Licence, Member, SpeechInput


def published_encoder(folder: Path, source: str, licence: Licence) -> LayeredEncoder:
    """An encoder of transformers: what its first layer takes, and what each layer gives.

    Args:
        source: name and commit that its publisher gives it.

    Raises:
        PublishedError: the folder is not of such an encoder, or is too large for memory or for one file.
    """
    published = checked(PublishedFolder(folder), encoder_alone=True)
    network, family = published.states_network().eval(), published.family
    size = sum(value.numel() * value.element_size() for value in network.parameters())
    if size > MAX_GRAPH_BYTES:
        raise PublishedError(
            f"{folder}: {size / 1e9:.1f} GB in float32, a head goes behind {MAX_GRAPH_BYTES / 1e9:g} GB at most; "
            "'emoserve-export import --embedding' and a linear classifier take it"
        )
    rate_hz = published.folder.sample_rate_hz

    def reference(clips: Sequence[Clip]) -> Layers:
        waveform, lengths = map(torch.from_numpy, stack(clips))
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # WavLM's masks are of another type than its biases
            found = network(waveform, lengths)
        return found["states"], found["mask"]

    states, _ = reference([np.zeros(2 * family.shortest_samples, np.float32)])
    _, _, layers, width = states.shape

    def make_graph() -> onnx.ModelProto:
        sizes = {"states": ("batch", "steps", layers, width), "mask": ("batch", "steps")}
        return published_model(network, rate_hz, {}, sizes)

    member = Member(
        network=family.title,
        weights_sha256=published.folder.sha256_of_weights,
        weights_source=source,
        licence=licence,
        dimensions=width,
    )
    speech = SpeechInput(
        sample_rate_hz=rate_hz,
        window_s=WINDOW_S,
        hop_s=HOP_S,
        min_length_s=family.shortest_samples / rate_hz,
        max_length_s=MAX_LENGTH_S,
        preset=str(published.folder.config["model_type"]),
    )
    return LayeredEncoder("published", family.title, member, speech, layers, width, make_graph, reference)


def published_reference(card: Card, folder: Path) -> dict[str, Reference]:
    """The publisher's encoder in ``folder`` by the digest of its weights.

    Raises:
        PublishedError: they are of none of the bundle's encoders.
    """
    encoder = published_encoder(folder, "", card.licence)
    if encoder.member.weights_sha256 not in [member.weights_sha256 for member in card.members]:
        raise PublishedError(f"these are not the weights that {card.name} {card.version} is made of")
    return {encoder.member.weights_sha256: encoder.reference}
