"""The voice activity network in its faster graph answers as the publisher's graph does."""

from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from export.evaluation.voice import synthetic_voice
from export.voice_activity.graph import matrix_graph
from export.voice_activity.source import SourceError, published_graph

Feeds = dict[str, NDArray[np.float32]]


@cache
def sessions() -> tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]:
    published = published_graph().graph
    graphs = published, matrix_graph(published, {}).SerializeToString()
    theirs, ours = (onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]) for graph in graphs)
    return theirs, ours


def feeds(steps: int, loudness: float, seed: int = 0) -> Feeds:
    """Steps of a voice in noise behind a state that is not zero."""
    random = np.random.default_rng(seed)
    length = 64 + 512 * steps
    samples = synthetic_voice(steps * 0.032 + 1.0, 16_000, seed)[:length] + 0.01 * random.standard_normal(length)
    frames = np.lib.stride_tricks.sliding_window_view((loudness * samples).astype(np.float32), 576)[::512]
    state = random.standard_normal((2, 1, 1, 128)).astype(np.float32)
    return {"input": frames.copy(), "h": np.tanh(state[0]), "c": state[1]}


@pytest.mark.parametrize("steps", [1, 2, 94, 312])
@pytest.mark.parametrize("loudness", [0.0, 1e-3, 0.1, 1.0])
def test_probabilities_and_state_are_those_of_the_published_graph(steps: int, loudness: float) -> None:
    given = feeds(steps, loudness)
    names = ["speech_probs", "hn", "cn"]
    theirs, ours = (dict(zip(names, session.run(names, given), strict=True)) for session in sessions())
    assert ours["speech_probs"].shape == theirs["speech_probs"].shape == (steps,)
    np.testing.assert_allclose(ours["speech_probs"], theirs["speech_probs"], atol=2e-5)
    for name in ("hn", "cn"):  # cells that hold large numbers round more coarsely
        np.testing.assert_allclose(ours[name], theirs[name], atol=2e-4, rtol=2e-4)


def changed(name: str, value: NDArray[np.float32] | None) -> bytes:
    """The published graph with another weight of a name, or without it."""
    model = onnx.load_from_string(published_graph().graph)
    weights = model.graph.initializer
    place = next(index for index, weight in enumerate(weights) if weight.name == name)
    del weights[place]
    if value is not None:
        weights.append(numpy_helper.from_array(value, name))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("encoder.0.weight", None, "no weight encoder.0.weight of shape"),
        ("encoder.0.weight", np.zeros((128, 129, 5), np.float32), "no weight encoder.0.weight of shape"),
        ("onnx::LSTM_210", np.zeros((1, 256, 64), np.float32), "no weight onnx::LSTM_210 of shape"),
        ("stft.forward_basis_buffer", np.ones((258, 1, 256), np.float32), "not that of a Hann window"),
    ],
)
def test_another_network_is_refused(name: str, value: NDArray[np.float32] | None, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        matrix_graph(changed(name, value), {})
