"""Frozen speech encoders as heads hear them: one graph from waveform to the states of all layers, and its reference.

A graph takes ``waveform`` float32 [batch, samples] and ``lengths`` int64 [batch]; it gives ``states`` float32 [batch,
steps, layers, width] and ``mask`` float32 [batch, steps], 1 where a step counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import onnx
import torch

from export.evaluation.verification import Clip
from export.failures import UserError
from export.graph.builder import FLOAT, GraphBuilder
from export.published.bundle import HOP_S, WINDOW_S
from export.speech_representations.encoder import LAYERS, PRESET, UNITS, WEIGHTS_SHA256
from export.speech_representations.graph import EncoderWriter, read_encoder_graph
from export.speech_representations.heads.pooling import Layers
from export.speech_representations.inputs import GE2E, GE2E_DATA, RECOGNISER, SPEECH, magnitudes, mel_power
from export.speech_representations.network import VoiceEncoder
from export.speech_representations.recogniser.graph import read_recogniser, write_layers
from export.speech_representations.recogniser.network import Recogniser, RecogniserConfig
from service.card import Licence, Member, SpeechInput, TrainingData

Kind = Literal["ge2e", "recogniser", "mel", "published"]

MEL = "mel"
"""No encoder: the logarithm of the GE2E encoder's levelled mel power, which a branch of its own learns from (B17)."""

GE2E_HOP_S = 1.0
"""Seconds between windows, as of the bundles on GE2E."""

SPECTRUM_UNIT = 3e-5
"""Levelled power p is given as ln(1 + p / unit); the unit is 27 dB below the mean of a band where a frame is active."""

Reference = Callable[[Sequence[Clip]], Layers]
"""An encoder in PyTorch, on clips."""


class EncoderError(UserError):
    """Encoders that cannot be taken, or not together; the message is one line."""


@dataclass(frozen=True)
class LayeredEncoder:
    """A frozen encoder.

    Attributes:
        kind: how its weights are found again.
        settings: what its network needs beside its weights.
        member: of the card.
        speech: the input that it takes.
        layers, width: of its states.
        make_graph: makes the graph.
        reference: the same in PyTorch, of clips.
        data: what its weights are known to have seen.
    """

    kind: Kind
    settings: str
    member: Member
    speech: SpeechInput
    layers: int
    width: int
    make_graph: Callable[[], onnx.ModelProto]
    reference: Reference
    data: tuple[TrainingData, ...] = ()

    @property
    def digest(self) -> str:
        """Digest of all that the states depend on."""
        return hashlib.sha256(f"{self.kind} {self.settings} {self.member.weights_sha256}".encode()).hexdigest()


def ge2e_encoder(encoder: VoiceEncoder) -> LayeredEncoder:
    """The three LSTM layers of the GE2E encoder; steps within 30 dB of the loudest count."""

    def reference(clips: Sequence[Clip]) -> Layers:
        with torch.inference_mode():
            states, active = encoder.states(*mel_power(clips))
        return states.unflatten(2, (LAYERS, UNITS)), active.float()

    def make_graph() -> onnx.ModelProto:
        graph = GraphBuilder(GE2E)
        states, active, _ = EncoderWriter(graph, encoder).states()
        layered = graph.add("Reshape", graph.add("Transpose", states, perm=[1, 0, 2]), graph.integers([0, 0, 3, UNITS]))
        return _finished(graph, layered, graph.add("Squeeze", active, graph.constant([1])), LAYERS, UNITS)

    attribution = "Weights by Resemble AI: the GE2E encoder of resemblyzer 0.1.4"
    licence = Licence(spdx="Apache-2.0", commercial_use=True, attribution=attribution)
    member = Member(network=GE2E, weights_sha256=WEIGHTS_SHA256, licence=licence, dimensions=UNITS)
    speech = SPEECH[GE2E].model_copy(update={"hop_s": GE2E_HOP_S})
    settings = repr(encoder.equalisation)
    return LayeredEncoder("ge2e", settings, member, speech, LAYERS, UNITS, make_graph, reference, (GE2E_DATA,))


def mel_encoder() -> LayeredEncoder:
    """:data:`MEL` as one layer of 40 bands; it has no weights."""
    encoder = VoiceEncoder(equalisation=0.0)

    def reference(clips: Sequence[Clip]) -> Layers:
        with torch.inference_mode():
            power, active = encoder.condition(*mel_power(clips))
        return torch.log(power / SPECTRUM_UNIT + 1.0)[:, :, None], active.float()

    def make_graph() -> onnx.ModelProto:
        graph = GraphBuilder(MEL)
        power, active, _ = EncoderWriter(graph, encoder).spectrum()
        bands = graph.add("Transpose", power, perm=[0, 2, 1])
        units = graph.add("Mul", bands, graph.constant(1.0 / SPECTRUM_UNIT))
        values = graph.add("Log", graph.add("Add", units, graph.constant(1.0)))
        layered = graph.add("Unsqueeze", values, graph.constant([2]))
        return _finished(graph, layered, graph.add("Squeeze", active, graph.constant([1])), 1, PRESET.bands)

    member = Member(
        network=MEL, licence=Licence(spdx="CC0-1.0", commercial_use=True, attribution=""), dimensions=PRESET.bands
    )
    speech = SPEECH[GE2E].model_copy(update={"window_s": WINDOW_S, "hop_s": HOP_S, "preset": MEL})
    return LayeredEncoder("mel", repr(SPECTRUM_UNIT), member, speech, 1, PRESET.bands, make_graph, reference)


def recogniser_encoder(network: Recogniser, sha256: str, licence: Licence) -> LayeredEncoder:
    """All GRU layers of a recogniser of this project (B5).

    Args:
        sha256: digest of the file that its weights came from.
    """
    network = network.eval()
    config = network.config

    def reference(clips: Sequence[Clip]) -> Layers:
        with torch.inference_mode():
            states, inside = network.states(*magnitudes(clips))
        return torch.stack(states, dim=2).transpose(0, 1), inside.T.float()

    def make_graph() -> onnx.ModelProto:
        graph = GraphBuilder(RECOGNISER)
        states, inside = write_layers(graph, network, config.layers)
        by_clip = [graph.add("Transpose", layer, perm=[1, 0, 2]) for layer in states]
        layered = graph.add("Concat", *(graph.add("Unsqueeze", one, graph.constant([2])) for one in by_clip), axis=2)
        mask = graph.add("Squeeze", graph.add("Transpose", inside, perm=[1, 0, 2]), graph.constant([2]))
        return _finished(graph, layered, mask, config.layers, config.units)

    member = Member(network=RECOGNISER, weights_sha256=sha256, licence=licence, dimensions=config.units)
    speech = SPEECH[RECOGNISER].model_copy(update={"window_s": WINDOW_S, "hop_s": HOP_S})
    return LayeredEncoder(
        "recogniser", config.to_text(), member, speech, config.layers, config.units, make_graph, reference
    )


def common_input(encoders: Sequence[LayeredEncoder]) -> SpeechInput:
    """The input that all encoders take, and the windows of the one that hears the shortest.

    Raises:
        EncoderError: they hear sound of different rates.
    """
    inputs = [encoder.speech for encoder in encoders]
    rates_hz = sorted({one.sample_rate_hz for one in inputs})
    if len(rates_hz) > 1:
        raise EncoderError(f"encoders of {' and '.join(map(str, rates_hz))} Hz cannot stand side by side")
    filters = [one.high_pass_hz for one in inputs]
    return SpeechInput(
        sample_rate_hz=rates_hz[0],
        window_s=min(one.window_s for one in inputs),
        hop_s=min(one.hop_s for one in inputs),
        min_length_s=max(one.min_length_s for one in inputs),
        max_length_s=min(one.max_length_s for one in inputs),
        preset="head-" + "+".join(one.preset for one in inputs),
        high_pass_hz=None if None in filters else min(one for one in filters if one),
    )


def read_reference(kind: str, settings: str, part: onnx.ModelProto) -> Reference | None:
    """The network in PyTorch whose weights ``part`` of a bundle's graph holds; None where they are the publisher's."""
    if kind == "ge2e":
        return ge2e_encoder(read_encoder_graph(part, float(settings))).reference
    if kind == "recogniser":
        network = read_recogniser(part, RecogniserConfig.from_text(settings))
        unknown = Licence(spdx="", commercial_use=False, attribution="")
        return recogniser_encoder(network, "", unknown).reference
    return mel_encoder().reference if kind == MEL else None


def _finished(graph: GraphBuilder, states: str, mask: str, layers: int, width: int) -> onnx.ModelProto:
    """The graph with its two outputs; ``mask`` may be of any type."""
    graph.output("states", states, FLOAT, ["batch", "steps", layers, width])
    graph.output("mask", graph.add("Cast", mask, to=FLOAT), FLOAT, ["batch", "steps"])
    return graph.model("emoserve-export", {})
