"""The network on the GE2E encoder as one ONNX graph: waveform and lengths in; what a speech bundle gives out."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from export.evaluation.calibration import LARGEST_TEMPERATURE, UNCALIBRATED, Calibration
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.front_end_graph import declare_speech_inputs, time_mask, write_front_end
from export.graph.high_pass import BELOW_SPEECH, write_high_pass
from export.graph.recurrent import read_lstm, write_lstm
from export.speech_representations.encoder import PRESET
from export.speech_representations.familiarity import Familiarity
from export.speech_representations.network import (
    ACTIVE_LEVEL,
    ACTIVE_SHARE,
    LARGEST_GAIN,
    LEAST_VARIANCE,
    POOLED,
    POWER_FLOOR,
    VoiceConfig,
    VoiceEncoder,
    VoiceNetwork,
)

Array = NDArray[np.float32]


def voice_model(
    network: VoiceNetwork, metadata: dict[str, str], calibration: Calibration = UNCALIBRATED
) -> onnx.ModelProto:
    """Write the network.

    Args:
        metadata: strings kept inside the file, such as author and licence.
        calibration: scales and shifts the emotion logits, by how familiar a recording is where the network can tell.
    """
    graph = GraphBuilder("ge2e")
    pooled = EncoderWriter(graph, network.encoder).pooled()
    _HeadWriter(graph, network).write(pooled, calibration)
    for name in ("embedding", "statistics"):
        graph.output(name, pooled, FLOAT, ["batch", POOLED])
    return graph.model("emoserve-export", metadata)


def encoder_model(encoder: VoiceEncoder, metadata: dict[str, str]) -> onnx.ModelProto:
    """Write the encoder alone, whose pooled representation is the embedding."""
    graph = GraphBuilder("ge2e-encoder")
    graph.output("embedding", EncoderWriter(graph, encoder).pooled(), FLOAT, ["batch", POOLED])
    return graph.model("emoserve-export", metadata)


class EncoderWriter:
    """Writes the encoder into a graph."""

    def __init__(self, graph: GraphBuilder, encoder: VoiceEncoder) -> None:
        self._graph, self._encoder = graph, encoder

    def pooled(self) -> str:
        """The inputs and everything up to the pooled representation, float32 [batch, 1536]."""
        states, active, _ = self.states()
        return self.pool(states, active)

    def states(self) -> tuple[str, str, str]:
        """The inputs and the layers: states [steps, batch, 768], active steps [batch, 1, steps], frames [batch]."""
        power, active, frames = self.spectrum()
        return self._encode(power), active, frames

    def spectrum(self) -> tuple[str, str, str]:
        """The inputs and what the layers take: power [batch, 40, steps]; active steps and frames as for the states."""
        graph = self._graph
        waveform, lengths = declare_speech_inputs(graph)
        waveform = write_high_pass(graph, PRESET.sample_rate_hz, waveform, lengths, BELOW_SPEECH)
        power, frames = write_front_end(graph, PRESET, waveform, lengths)
        return *self._condition(power, frames), frames

    def _condition(self, power: str, frames: str) -> tuple[str, str]:
        """Equalised and levelled power [batch, 40, steps], and whether a step is active, bool [batch, 1, steps]."""
        graph = self._graph
        floor, bands, steps = graph.constant(POWER_FLOOR), graph.constant([1]), graph.constant([2])
        total = graph.add("ReduceSum", power, bands)
        loudest = graph.add("ReduceMax", total, steps)
        least = graph.add("Mul", loudest, graph.constant(ACTIVE_SHARE))
        is_loud = graph.add("GreaterOrEqual", total, least)
        active = graph.add("And", is_loud, time_mask(graph, total, frames, axis=2))
        share = graph.add("Cast", active, to=FLOAT)
        count = graph.add("Max", graph.add("ReduceSum", share, steps), graph.constant(1.0))
        share = graph.add("Div", share, count)
        mean = graph.add("ReduceSum", graph.add("Mul", power, share), steps)
        whole = graph.add("Max", graph.add("ReduceSum", mean, bands), floor)
        mean = graph.add("Max", graph.add("Div", mean, whole), floor)
        reference = graph.constant(_array(self._encoder.reference)[:, None], "reference")
        gain = graph.add("Pow", graph.add("Div", reference, mean), graph.constant(self._encoder.equalisation))
        gain = graph.add("Clip", gain, graph.constant(1.0 / LARGEST_GAIN), graph.constant(LARGEST_GAIN))
        equalised = graph.add("Mul", power, gain)
        energy = graph.add("Mul", graph.add("ReduceSum", equalised, bands), share)
        level = graph.add("Max", graph.add("ReduceSum", energy, steps), floor)
        return graph.add("Mul", equalised, graph.add("Div", graph.constant(ACTIVE_LEVEL), level)), active

    def _encode(self, power: str) -> str:
        """States of all layers [steps, batch, 768]."""
        graph = self._graph
        x = graph.add("Transpose", power, perm=[2, 0, 1])
        outputs = []
        for index, layer in enumerate(self._encoder.layers):
            x = write_lstm(graph, x, f"layers.{index}", layer)
            outputs.append(x)
        return graph.add("Concat", *outputs, axis=2)

    def pool(self, states: str, active: str) -> str:
        """Mean and deviation over active steps, float32 [batch, 1536]."""
        graph, first = self._graph, self._graph.constant([0])
        inside = graph.add("Cast", graph.add("Transpose", active, perm=[2, 0, 1]), to=FLOAT)
        count = graph.add("Max", graph.add("ReduceSum", inside, first), graph.constant(1.0))
        share = graph.add("Div", inside, count)
        mean = graph.add("ReduceSum", graph.add("Mul", states, share), first, keepdims=0)
        squares = graph.add("Mul", graph.add("Mul", states, states), share)
        square = graph.add("ReduceSum", squares, first, keepdims=0)
        variance = graph.add("Sub", square, graph.add("Mul", mean, mean))
        deviation = graph.add("Sqrt", graph.add("Max", variance, graph.constant(LEAST_VARIANCE)))
        return graph.add("Concat", mean, deviation, axis=1)


class _HeadWriter:
    def __init__(self, graph: GraphBuilder, network: VoiceNetwork) -> None:
        self._graph, self._network = graph, network

    def write(self, pooled: str, calibration: Calibration) -> None:
        """The outputs behind the pooled representation."""
        seen = self._personal(pooled)
        self._head(seen, self._sharpness(seen, calibration), calibration)

    def _personal(self, pooled: str) -> str:
        """The representation seen from a profile, or from the mean of the training, in units of its deviation."""
        graph = self._graph
        # Their first size has a name of its own: where they are left out it is 1, whatever the batch.
        profile = graph.optional_input("profile", ["profiles", POOLED], np.zeros((1, POOLED), np.float32))
        weight = graph.optional_input("profile_weight", ["profiles"], np.zeros(1, np.float32))
        centre = graph.constant(_array(self._network.centre), "centre")
        shift = graph.add("Mul", graph.add("Sub", profile, centre), graph.add("Unsqueeze", weight, graph.constant([1])))
        seen = graph.add("Sub", graph.add("Sub", pooled, shift), centre)
        return graph.add("Div", seen, graph.constant(_array(self._network.spread), "spread"))

    def _sharpness(self, seen: str, calibration: Calibration) -> str:
        """One by the temperature: a number, or [batch, 1] where it depends on how familiar a recording is."""
        graph, familiarity = self._graph, self._network.familiarity
        if familiarity is None:
            return graph.constant(1.0 / calibration.temperature)
        numbers = graph.constant([1])
        centred = graph.add("Sub", seen, graph.constant(_array(familiarity.mean), "familiarity.mean"))
        directions = graph.constant(_array(familiarity.directions), "familiarity.directions")
        inside = graph.add("Gemm", centred, directions, transB=1)
        left = graph.add(
            "Sub", graph.add("ReduceSumSquare", centred, numbers), graph.add("ReduceSumSquare", inside, numbers)
        )
        mean = graph.add("Max", graph.add("Mul", left, graph.constant(1.0 / POOLED)), graph.constant(0.0))
        typical = graph.constant(_array(familiarity.typical), "familiarity.typical")
        above = graph.add("Sub", graph.add("Div", graph.add("Sqrt", mean), typical), graph.constant(1.0))
        growth = graph.constant(-calibration.growth)
        fallen = graph.add("Exp", graph.add("Mul", graph.add("Max", above, graph.constant(0.0)), growth))
        sharpness = graph.add("Mul", fallen, graph.constant(1.0 / calibration.temperature))
        return graph.add("Max", sharpness, graph.constant(1.0 / LARGEST_TEMPERATURE))

    def _head(self, seen: str, sharpness: str, calibration: Calibration) -> None:
        graph, network = self._graph, self._network
        hidden = graph.add("Relu", self._dense(seen, "hidden"))
        scaled = graph.add("Mul", self._dense(hidden, "emotion"), sharpness)
        logits = graph.add("Add", scaled, graph.constant(calibration.offsets.astype(np.float32)))
        classes = len(network.config.labels)
        graph.output("probabilities", graph.add("Softmax", logits, axis=1), FLOAT, ["batch", classes])
        # P(high) − P(low), and P(positive) − P(negative): −1 … 1.
        self._difference("arousal", hidden, [-1.0, 1.0])
        self._difference("valence", hidden, [-1.0, 0.0, 1.0])

    def _difference(self, name: str, hidden: str, signs: list[float]) -> None:
        graph = self._graph
        levels = graph.add("Softmax", self._dense(hidden, name), axis=1)
        graph.output(name, graph.add("MatMul", levels, graph.constant(np.array(signs, np.float32))), FLOAT, ["batch"])

    def _dense(self, x: str, name: str) -> str:
        graph, layer = self._graph, self._network.get_submodule(name)
        constants = (graph.constant(_array(getattr(layer, part)), f"{name}.{part}") for part in ("weight", "bias"))
        return graph.add("Gemm", x, *constants, transB=1)


def read_voice(model: onnx.ModelProto, config: VoiceConfig) -> VoiceNetwork:
    """The PyTorch network whose weights ``model`` holds, in evaluation mode; the inverse of :func:`voice_model`.

    Raises:
        KeyError: the graph was not written by :func:`voice_model`.
    """
    values = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    network = VoiceNetwork(config)
    state = {"centre": values["centre"], "spread": values["spread"]}
    for name in DENSE:
        state |= {f"{name}.{part}": values[f"{name}.{part}"] for part in ("weight", "bias")}
    for index in range(len(network.encoder.layers)):
        state |= {f"encoder.layers.{index}.{key}": value for key, value in read_lstm(values, f"layers.{index}").items()}
    network.load_state_dict(
        {key: torch.from_numpy(np.array(value)) for key, value in state.items()},
    )
    if "familiarity.mean" in values:
        parts = (values[f"familiarity.{name}"] for name in ("mean", "directions", "typical"))
        network.familiarity = Familiarity(*(torch.from_numpy(np.array(part)) for part in parts))
    return network.eval()


def read_encoder_graph(model: onnx.ModelProto, equalisation: float) -> VoiceEncoder:
    """The PyTorch encoder whose weights ``model`` holds, in evaluation mode; the inverse of :func:`encoder_model`.

    Raises:
        KeyError: the graph was not written by :func:`encoder_model`.
    """
    values = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    encoder = VoiceEncoder(equalisation)
    for index, layer in enumerate(encoder.layers):
        weights = read_lstm(values, f"layers.{index}")
        layer.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in weights.items()})
    return encoder.eval()


DENSE = ("hidden", "emotion", "arousal", "valence")
"""Parts of the head by their names in the network and in the graph."""


def _array(values: torch.Tensor) -> Array:
    return np.asarray(values.detach().numpy(), np.float32)
