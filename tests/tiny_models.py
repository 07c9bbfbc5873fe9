"""Tiny models whose answers can be computed by hand, as complete bundles: tests need no weights.

The speech model looks at two numbers of a clip: the mean and the mean square of its valid samples. Its
classes are a softmax over fixed multiples of them, arousal is tanh of the mean square and valence tanh of
the mean. A profile is taken away from both numbers, as much as its weight says, before the classes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from export.bundle.write import Content, write_bundle
from service.card import Card, CheckClip, FileEntry, Licence, Member, ProfileInput, SpeechInput, Task

OPSET, IR_VERSION = 17, 8
LOUD = 1e-4
"""Mean square above which the tiny voice activity model hears speech."""


TINY_ENCODER = "5eed" * 16
"""Digest of the tiny model's encoder, which profiles are bound to."""


def speech_weights(classes: int) -> np.ndarray:
    """float32 [2, classes]: the later the class, the louder and the more positive its clips."""
    steps = np.linspace(-4, 4, classes)
    return np.stack([steps, 2 * steps]).astype(np.float32)


def expected_probabilities(samples: np.ndarray, classes: int = 2) -> np.ndarray:
    """Probabilities of the tiny speech model for float32 [n]: float64 [classes]."""
    clip = samples.astype(np.float64)
    logits = np.array([clip.mean(), (clip**2).mean()]) @ speech_weights(classes)
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def expected_embedding(samples: np.ndarray) -> np.ndarray:
    """Embedding of the tiny speech model for float32 [n]: float64 [2]."""
    clip = samples.astype(np.float64)
    return np.array([clip.mean(), (clip**2).mean()])


def speech_model(
    classes: int = 2,
    *,
    dimensions: bool = True,
    embedding: bool = True,
    probabilities: bool = True,
    dominance: bool | None = None,
) -> bytes:
    """An ONNX model with the inputs and outputs of a speech bundle."""
    nodes = [
        _node("Shape", ["waveform"], ["samples"], start=1, end=2),
        _node("Squeeze", ["samples"], ["count"]),
        _node("Range", ["zero", "count", "one"], ["index"]),
        _node("Unsqueeze", ["lengths", "last"], ["ends"]),
        _node("Less", ["index", "ends"], ["valid"]),
        _node("Where", ["valid", "waveform", "nothing"], ["clip"]),
        _node("Cast", ["ends"], ["divisor"], to=TensorProto.FLOAT),
        _node("ReduceSum", ["clip", "last"], ["sum"], keepdims=1),
        _node("ReduceSumSquare", ["clip"], ["energy"], axes=[1], keepdims=1),
        _node("Div", ["sum", "divisor"], ["mean"]),
        _node("Div", ["energy", "divisor"], ["mean_square"]),
        _node("Concat", ["mean", "mean_square"], ["embedding"], axis=1),
        _node("Identity", ["embedding"], ["statistics"]),
        _node("Unsqueeze", ["profile_weight", "last"], ["share"]),
        _node("Mul", ["profile", "share"], ["shift"]),
        _node("Sub", ["embedding", "shift"], ["seen"]),
        _node("MatMul", ["seen", "weights"], ["logits"]),
        _node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    outputs = [_value("probabilities", ["batch", classes])] if probabilities else []
    if not classes:  # there is no softmax over none
        nodes[-1] = _node("Identity", ["logits"], ["probabilities"])
    if dimensions:
        nodes += [
            _node("Squeeze", ["mean_square", "last"], ["loudness"]),
            _node("Tanh", ["loudness"], ["arousal"]),
            _node("Squeeze", ["mean", "last"], ["offset"]),
            _node("Tanh", ["offset"], ["valence"]),
        ]
        outputs += [_value("arousal", ["batch"]), _value("valence", ["batch"])]
    if dominance or (dominance is None and not classes):  # minus valence
        nodes.append(_node("Neg", ["valence"], ["dominance"]))
        outputs.append(_value("dominance", ["batch"]))
    if embedding:
        outputs += [_value("embedding", ["batch", 2])]
    if probabilities:
        outputs += [_value("statistics", ["batch", 2])]
    constants = {
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "last": np.array([1], np.int64),
        "nothing": np.array(0, np.float32),
        "weights": speech_weights(classes),
        "profile": np.zeros((1, 2), np.float32),
        "profile_weight": np.zeros(1, np.float32),
    }
    inputs = [_value("waveform", ["batch", "samples"]), _value("lengths", ["batch"], TensorProto.INT64)]
    optional = [_value("profile", ["profiles", 2]), _value("profile_weight", ["profiles"])]
    return _model(nodes, [*inputs, *optional], outputs, constants)


def denoiser_model(gain: float = 0.5, *, cut: int = 0, output: str = "denoised") -> bytes:
    """A denoiser that multiplies by ``gain``, and leaves out the last ``cut`` samples."""
    nodes = [
        _node("Mul", ["waveform", "gain"], ["quieter"]),
        _node("Identity", ["lengths"], ["unused"]),
        _node("Slice", ["quieter", "begin", "end", "axis"], [output]),
    ]
    constants = {
        "gain": np.array(gain, np.float32),
        "begin": np.array([0], np.int64),
        "end": np.array([-cut if cut else np.iinfo(np.int64).max], np.int64),
        "axis": np.array([1], np.int64),
    }
    inputs = [_value("waveform", ["batch", "samples"]), _value("lengths", ["batch"], TensorProto.INT64)]
    return _model(nodes, inputs, [_value(output, ["batch", "denoised_samples"])], constants)


def voice_model(frame: int = 576, state: int = 128) -> bytes:
    """A voice activity model: a step speaks if its mean square exceeds :data:`LOUD`; hn counts the calls."""
    nodes = [
        _node("ReduceSumSquare", ["input"], ["energy"], axes=[1], keepdims=0),
        _node("Mul", ["energy", "scale"], ["relative"]),
        _node("Sub", ["relative", "one"], ["excess"]),
        _node("Mul", ["excess", "steep"], ["logit"]),
        _node("Sigmoid", ["logit"], ["speech_probs"]),
        _node("Add", ["h", "one"], ["hn"]),
        _node("Identity", ["c"], ["cn"]),
    ]
    constants = {
        "scale": np.array(1 / (LOUD * frame), np.float32),
        "one": np.array(1, np.float32),
        "steep": np.array(50, np.float32),
    }
    states = [[1, 1, state]] * 2
    inputs = [_value("input", ["steps", frame]), *map(_value, ("h", "c"), states)]
    outputs = [_value("speech_probs", ["steps"]), *map(_value, ("hn", "cn"), states)]
    return _model(nodes, inputs, outputs, constants)


def write_speech_bundle(
    folder: Path,
    name: str = "tiny",
    version: str = "1",
    labels: Sequence[str] = ("anger", "neutral"),
    *,
    sample_rate_hz: int = 16000,
    window_s: float = 1.0,
    hop_s: float = 0.5,
    min_length_s: float = 0.1,
    max_length_s: float = 10.0,
    priority: int = 0,
    commercial_use: bool = True,
    dimensions: bool = True,
    model: bytes | None = None,
    task: Task = "speech-emotion",
    members: Sequence[Member] = (),
    profiles: bool = False,
    class_prior: dict[str, float] | None = None,
    settings: dict[str, float] | None = None,
    runs: bool = True,
) -> Path:
    """Write ``folder/<name>/<version>``; returns the bundle's folder. ``model`` replaces the tiny graph.

    A graph that does not run, as ``runs`` says, gets an empty check clip.
    """
    graph = model or speech_model(len(labels), dimensions=dimensions)
    speech = SpeechInput(
        sample_rate_hz=sample_rate_hz,
        window_s=window_s,
        hop_s=hop_s,
        min_length_s=min_length_s,
        max_length_s=max_length_s,
        preset="mean and mean square",
        profile=ProfileInput(encoder_sha256=TINY_ENCODER, dimensions=1, half_weight_clips=2.0) if profiles else None,
    )

    def card(files: dict[str, FileEntry]) -> Card:
        return Card(
            name=name,
            version=version,
            task=task,
            title="Tiny speech model",
            description="Judges the mean and the mean square of a clip.",
            labels=list(labels),
            class_prior=class_prior,
            members=list(members),
            speech=speech,
            settings=dict(settings or {}),
            licence=_licence(commercial_use),
            intended_use="Tests.",
            known_limits=["It knows nothing of emotion."],
            exporter={"program": "tests/tiny_models.py"},
            priority=priority,
            check_clip=None if runs else CheckClip(outputs={}, tolerance=1e-3),
            files=files,
        )

    return write_bundle(folder, {"model.onnx": Content(graph)}, card)


def write_embedding_bundle(folder: Path, name: str = "tiny-embedding", version: str = "1", **changes: Any) -> Path:
    """Write a bundle of the task 'speech-embedding': mean and mean square of a window."""
    model = speech_model(dimensions=False, probabilities=False)
    return write_speech_bundle(folder, name, version, (), **{"task": "speech-embedding", "model": model} | changes)


def write_speaker_bundle(folder: Path, threshold: float = 0.5) -> Path:
    """Write a bundle of the task 'speaker-embedding': a voice is the sign of its mean."""
    settings = {"threshold": threshold}
    return write_embedding_bundle(folder, "tiny-speakers", task="speaker-embedding", settings=settings)


def write_denoiser_bundle(folder: Path, name: str = "tiny-denoiser", version: str = "1", **changes: Any) -> Path:
    """Write a bundle of the task 'denoiser': it halves; chunks of a second, half a second apart."""
    return write_speech_bundle(folder, name, version, (), **{"task": "denoiser", "model": denoiser_model()} | changes)


def write_voice_bundle(
    folder: Path, *, sample_rate_hz: int = 16000, model: bytes | None = None, **settings: Any
) -> Path:
    """Write ``folder/tiny-voice/1``; returns the bundle's folder."""
    constants = {
        "sample_rate_hz": sample_rate_hz,
        "step_samples": 512,
        "context_samples": 64,
        "state_size": 128,
        "threshold": 0.5,
        "cues": False,
    }

    def card(files: dict[str, FileEntry]) -> Card:
        return Card(
            name="tiny-voice",
            version="1",
            task="voice-activity",
            title="Tiny voice activity",
            description="Loud is speech.",
            settings=constants | settings,
            licence=_licence(True),
            intended_use="Tests.",
            known_limits=["It hears speech in any noise."],
            exporter={"program": "tests/tiny_models.py"},
            files=files,
        )

    return write_bundle(folder, {"model.onnx": Content(model or voice_model())}, card)


def _licence(commercial_use: bool) -> Licence:
    return Licence(spdx="CC0-1.0" if commercial_use else "CC-BY-NC-4.0", commercial_use=commercial_use)


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, outputs, **attributes)


def _value(name: str, shape: list[Any], kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, np.ndarray]) -> bytes:
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()
