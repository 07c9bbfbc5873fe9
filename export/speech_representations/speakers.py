"""Voices told apart: the GE2E encoder's published embedding beside a projection of its layers that is fitted here.

The published embedding alone takes one person's anger and sadness for two voices more often. The projection is linear
discriminant analysis of all layers: directions in which people differ more than one person does with what is said and
felt.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from export.corpora.audio import Waveform, read_waveform
from export.corpora.tables import Corpus, Utterance
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.recurrent import read_lstm
from export.speech_representations.encoder import PRESET, UNITS, read_encoder, read_voiceprint_layer
from export.speech_representations.graph import EncoderWriter
from export.speech_representations.network import POOLED, VoiceEncoder, pooled

DIRECTIONS = 128
SHRINKAGE = 0.5
"""Directions of the projection, and the share of a sphere in the covariance within a voice."""

PROJECTION_WEIGHT = 0.5
"""Length of the projection beside the published embedding, whose length is 1."""

PIECE_S = 1.6
"""Seconds of a piece: as long as the encoder heard in its own training."""

MOST_PIECES = 24
"""Pieces of one speaker; more of them add little."""

EMBEDDING = UNITS + DIRECTIONS


class SpeakerEncoder(nn.Module):
    """Mel power and frame counts in, an embedding of unit length float32 [batch, 384] out."""

    projection: Tensor
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder = VoiceEncoder(equalisation=0.0)
        self.voiceprint = nn.Linear(UNITS, UNITS)
        self.register_buffer("projection", torch.zeros(POOLED, DIRECTIONS))
        self.register_buffer("offset", torch.zeros(DIRECTIONS))

    @classmethod
    def published(cls, file: Path) -> SpeakerEncoder:
        """The published part, without a projection; raises as :func:`read_encoder`."""
        network = cls()
        network.encoder.layers = read_encoder(file)
        network.voiceprint = read_voiceprint_layer(file)
        return network.requires_grad_(False).eval()

    def forward(self, power: Tensor, frames: Tensor) -> Tensor:
        """See the class."""
        states, active = self.encoder.states(power, frames)
        last = states[torch.arange(len(states)), frames - 1, -UNITS:]
        published = functional.normalize(functional.relu(self.voiceprint(last)), dim=1)
        projected = functional.normalize(pooled(states, active) @ self.projection + self.offset, dim=1)
        return functional.normalize(torch.cat([published, PROJECTION_WEIGHT * projected], dim=1), dim=1)


def voice_pieces(corpora: Sequence[Corpus], seed: int) -> tuple[list[Waveform], list[str]]:
    """Pieces of the recordings, float32 [n] at the encoder's rate, and the speaker of each; drawn by ``seed``."""
    drawn = random.Random(seed)
    clips: list[Waveform] = []
    speakers: list[str] = []
    for corpus in corpora:
        for speaker in sorted({utterance.speaker for utterance in corpus.utterances}):
            own = [utterance for utterance in corpus.utterances if utterance.speaker == speaker]
            drawn.shuffle(own)
            pieces = itertools.islice((piece for one in own for piece in _pieces(one)), MOST_PIECES)
            found = list(pieces)
            clips += found
            speakers += [f"{corpus.name}/{speaker}"] * len(found)
    return clips, speakers


def _pieces(utterance: Utterance) -> Iterator[Waveform]:
    assert utterance.audio is not None
    samples, length = read_waveform(utterance.audio, PRESET.sample_rate_hz), round(PIECE_S * PRESET.sample_rate_hz)
    samples = samples[max(0, len(samples) % length // 2) :]  # what is left over lies at both ends, where it is quiet
    for start in range(0, len(samples) - length + 1, length):
        yield samples[start : start + length]


def fit_projection(
    representations: NDArray[np.float32], speakers: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Linear discriminant analysis with a shrunken covariance within each voice.

    Args:
        representations: [clips, 1536], pooled layers.
        speakers: of each clip; every speaker counts the same between voices, every clip within.

    Returns:
        Projection [1536, 128] and offset [128].
    """
    values = representations.astype(np.float64)
    names, numbers = np.unique(np.asarray(speakers), return_inverse=True)
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    centres = np.stack([values[numbers == number].mean(axis=0) for number in range(len(names))])
    within = np.cov(((values - centres[numbers]) / spread).T, bias=True)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.eye(POOLED) * np.trace(within) / POOLED
    roots, directions = np.linalg.eigh(within)
    whitening = directions / np.sqrt(roots)
    between = (centres - mean) / spread @ whitening
    _, rotation = np.linalg.eigh(between.T @ between / len(names))
    projection = (whitening @ rotation[:, ::-1][:, :DIRECTIONS]) / spread[:, None]
    return projection.astype(np.float32), (-mean @ projection).astype(np.float32)


def speaker_model(network: SpeakerEncoder, metadata: dict[str, str]) -> onnx.ModelProto:
    """Write the network as one graph: waveform and lengths in, 'embedding' out."""
    graph = GraphBuilder("ge2e-speakers")
    writer = EncoderWriter(graph, network.encoder)
    states, active, frames = writer.states()

    def unit(value: str) -> str:
        length = graph.add("ReduceL2", value, graph.constant([1]))
        return graph.add("Div", value, graph.add("Max", length, graph.constant(1e-12)))

    steps = graph.add("Unsqueeze", graph.add("Sub", frames, graph.constant([1])), graph.constant([1]))
    last = graph.add("GatherND", graph.add("Transpose", states, perm=[1, 0, 2]), steps, batch_dims=1)
    _, _, top = graph.split(last, 3, axis=1)
    constants = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    weight, bias = (
        graph.constant(constants[f"voiceprint.{part}"], f"voiceprint.{part}") for part in ("weight", "bias")
    )
    published = unit(graph.add("Relu", graph.add("Gemm", top, weight, bias, transB=1)))
    projection, offset = (graph.constant(constants[name], name) for name in ("projection", "offset"))
    projected = unit(graph.add("Gemm", writer.pool(states, active), projection, offset))
    scaled = graph.add("Mul", projected, graph.constant(PROJECTION_WEIGHT))
    graph.output("embedding", unit(graph.add("Concat", published, scaled, axis=1)), FLOAT, ["batch", EMBEDDING])
    return graph.model("emoserve-export", metadata)


def read_speaker_graph(model: onnx.ModelProto) -> SpeakerEncoder:
    """The inverse of :func:`speaker_model`.

    Raises:
        KeyError: the graph was not written by it.
    """
    values = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    state = {name: values[name] for name in ("projection", "offset", "voiceprint.weight", "voiceprint.bias")}
    network = SpeakerEncoder()
    for index in range(len(network.encoder.layers)):
        state |= {f"encoder.layers.{index}.{key}": value for key, value in read_lstm(values, f"layers.{index}").items()}
    network.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()})
    return network.eval()
