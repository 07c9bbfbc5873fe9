"""Published weights: our SqueezeNet and MobileNetV2 answer as the publishers' own files do (A15, A16)."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from torch.nn import functional

from export.deep_spectrum.networks.graph import extractor_graph
from export.deep_spectrum.networks.network import EmbeddingNetwork
from export.deep_spectrum.weights.load import load_weights
from service.pipeline.device.session import Session
from tests.shared_material import shared_file
from tests.support.quantised_network import run_quantised

MEDIA = ("media/single_face.jpg", "media/multi_face.jpg")
TFLITE = ("mobilenet_v2_1.0_224_quant.tflite", "tf2_mobilenet_v2_1.0_224_ptq.tflite")
LAST_FEATURES = "fire9/concat_1"
EMBEDDING_CHANNELS = 1280


def picture(file: Path, size: int = 224) -> NDArray[np.uint8]:
    """The middle square of a photograph, uint8 [1, 3, size, size], RGB."""
    with Image.open(file) as photograph:
        edge = min(photograph.size)
        left, top = (photograph.width - edge) // 2, (photograph.height - edge) // 2
        square = photograph.convert("RGB").crop((left, top, left + edge, top + edge)).resize((size, size))
    return np.asarray(square).transpose(2, 0, 1)[None]


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.fixture(scope="module")
def squeeze():
    """The publisher's file with its last feature map as an output, and our weights of it."""
    file = shared_file("weights/squeezenet1_1_imagenet_fp16.onnx")
    model = onnx.load(file)
    model.graph.output.append(helper.make_tensor_value_info(LAST_FEATURES, TensorProto.FLOAT16, None))
    return Session(model.SerializeToString(), device="cpu", threads=1), load_weights("squeezenet", file)


def published(session: Session, pixels: NDArray[np.uint8]) -> tuple[np.ndarray, np.ndarray]:
    """Embedding [2048] and class probabilities [1000] by the publisher's file, from pixels as it wants them."""
    given = pixels[:, ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)[:, None, None]
    outputs = session.run({"data_0": given.astype(np.float16)}, (LAST_FEATURES, "softmaxout_1"))
    features = torch.from_numpy(outputs[LAST_FEATURES].astype(np.float32))
    return functional.adaptive_avg_pool2d(features, 2).flatten().numpy(), outputs["softmaxout_1"].reshape(-1)


def test_squeezenet_carries_its_files_normalisation(squeeze):
    _, weights = squeeze
    assert weights.convention.name == "caffe-rounded"
    assert weights.licence.spdx == "MIT"
    assert weights.source.startswith("squeezenet1_1_imagenet_fp16.onnx")


@pytest.mark.parametrize("media", MEDIA)
def test_squeezenets_embedding_is_that_of_the_publishers_file(squeeze, media):
    session, weights = squeeze
    pixels = picture(shared_file(media))
    expected, _ = published(session, pixels)
    ours = Session(extractor_graph("squeezenet", weights).SerializeToString(), device="cpu", threads=1)
    found = ours.run({"picture": pixels.astype(np.float32)}, ("embedding",))["embedding"][0]
    assert cosine(found, expected) >= 0.9999
    wrong = ours.run({"picture": pixels[:, ::-1].astype(np.float32)}, ("embedding",))["embedding"][0]
    assert cosine(wrong, expected) < 0.9  # the order of the colours matters


@pytest.mark.parametrize("media", MEDIA)
def test_squeezenet_classifies_as_the_publishers_file(squeeze, media):
    session, weights = squeeze
    pixels = picture(shared_file(media))
    _, expected = published(session, pixels)
    network = EmbeddingNetwork("squeezenet").load(weights.tensors)
    with torch.inference_mode():
        normalised = np.ascontiguousarray(weights.convention.apply(pixels.astype(np.float32)))
        found = torch.softmax(network.network(torch.from_numpy(normalised))[0], 0).numpy()
    assert list(np.argsort(-found)[:3]) == list(np.argsort(-expected)[:3])
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize("file", TFLITE)
def test_mobilenets_floats_agree_with_its_integers(file, media):
    path = shared_file(f"weights/{file}")
    pixels = picture(shared_file(media))
    results = run_quantised(path, pixels.transpose(0, 2, 3, 1))
    integers = next(result for result in results if result.size == EMBEDDING_CHANNELS).reshape(-1)
    classes = results[-1].reshape(-1)[1:]  # class 0 is the background
    weights = load_weights("mobilenet_v2", path)
    assert (weights.convention.name, weights.variant, weights.licence.spdx) == ("tf", "tensorflow", "Apache-2.0")
    ours = Session(extractor_graph("mobilenet_v2", weights).SerializeToString(), device="cpu", threads=1)
    found = ours.run({"picture": pixels.astype(np.float32)}, ("embedding",))["embedding"][0]
    assert cosine(found, integers) >= 0.995

    normalised = torch.from_numpy(weights.convention.apply(pixels.astype(np.float32)))
    with torch.inference_mode():
        logits = EmbeddingNetwork("mobilenet_v2", "tensorflow").load(weights.tensors).network(normalised)[0]
        padded_on_both_sides = EmbeddingNetwork("mobilenet_v2").load(weights.tensors)(normalised)[0].numpy()
    assert classes[int(logits.argmax())] >= classes.max() - 1 / 256  # of 8 bits, several can be the greatest
    assert cosine(padded_on_both_sides, integers) < 0.9  # PyTorch's padding is another network


def test_two_mobilenets_see_alike():
    # Trained apart and rounded apart, so only roughly; two photographs differ more than two networks.
    pixels = [picture(shared_file(media)).astype(np.float32) for media in MEDIA]
    answers = []
    for file in TFLITE:
        weights = load_weights("mobilenet_v2", shared_file(f"weights/{file}"))
        network = EmbeddingNetwork("mobilenet_v2", weights.variant).load(weights.tensors)
        with torch.inference_mode():
            answers.append([network(torch.from_numpy(weights.convention.apply(x)))[0].numpy() for x in pixels])
    for one, other in zip(*answers, strict=True):
        assert cosine(one, other) > 0.8
    assert cosine(answers[0][0], answers[1][1]) < 0.8
