"""Each extractor with seeded random weights: its graph computes what its PyTorch network computes (A8–A17, D4)."""

import gc
import warnings

import numpy as np
import pytest
import torch

from export.deep_spectrum.networks.graph import extractor_graph
from export.deep_spectrum.networks.network import EmbeddingNetwork
from export.deep_spectrum.networks.normalisation import CONVENTIONS, omissions
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.weights.load import load_weights
from export.graph.module_graph import trace
from service.pipeline.device.session import Session

DIMENSIONS = {
    "alexnet": 4096,
    "vgg16": 4096,
    "vgg19": 4096,
    "resnet50": 2048,
    "densenet121": 1024,
    "densenet169": 1664,
    "densenet201": 1920,
    "mobilenet_v2": 1280,
    "squeezenet": 2048,
    "xception": 2048,
    "alexnet_caffe": 4096,
}
TEN = 24_320
"""Length of all ten networks of A18 together."""


def pictures(size: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (2, 3, size, size)).astype(np.float32)


def relative(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


DEEPER = {"vgg16", "vgg19", "densenet169", "densenet201"}
"""More layers of the kinds that alexnet and densenet121 have, and hundreds of megabytes of them."""


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.long] * (each in DEEPER)) for each in DIMENSIONS]
)
def test_graph_computes_what_pytorch_computes(name, tmp_path):
    extractor = EXTRACTORS[name]
    weights = load_weights(name, "random:1")
    file = tmp_path / "extractor.onnx"
    file.write_bytes(extractor_graph(name, weights).SerializeToString())  # a VGG is not held twice in memory
    gc.collect()
    session = Session(file, device="cpu", threads=1)
    assert (session.input_names, session.output_names) == (("picture",), ("embedding",))
    given = pictures(extractor.size)
    together = session.run({"picture": given}, ("embedding",))["embedding"]
    alone = session.run({"picture": given[1:]}, ("embedding",))["embedding"]
    del session
    file.unlink()

    omits = omissions("deepspectrum", extractor.toolkit_omits)
    network = EmbeddingNetwork(name).load(weights.tensors)
    with torch.inference_mode():
        normalised = torch.from_numpy(np.ascontiguousarray(weights.convention.apply(given, omits)))
        expected = network(normalised).numpy()
    assert together.dtype == np.float32
    assert together.shape == expected.shape == (2, DIMENSIONS[name]) == (2, extractor.dim)
    assert relative(together, expected) <= 1e-4
    assert relative(alone, together[1:]) <= 1e-5
    assert (together.min() >= 0) == extractor.after_relu
    assert relative(together[:1], together[1:]) > 1e-3  # the picture matters


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_a_vgg_is_cut_behind_the_relu_of_its_second_dense_layer(name):
    """All that distinguishes its way from AlexNet's, whose numbers are compared; its own are with the deeper ones."""
    layers = [node.target for node in trace(EmbeddingNetwork(name)).graph.nodes if node.op == "call_module"]
    assert layers[-3:] == ["network.classifier.2", "network.classifier.3", "network.classifier.4"]
    assert isinstance(EmbeddingNetwork(name).network.classifier[4], torch.nn.ReLU)


def test_the_table_is_complete():
    assert list(EXTRACTORS) == list(DIMENSIONS)
    assert [extractor.item for extractor in EXTRACTORS.values()] == [f"A{i}" for i in range(8, 18)] + ["D4"]
    assert sum(extractor.dim for extractor in EXTRACTORS.values() if extractor.item != "D4") == TEN
    sizes = {extractor.name: extractor.size for extractor in EXTRACTORS.values() if extractor.size != 224}
    assert sizes == {"alexnet": 227, "xception": 299, "alexnet_caffe": 227}


def test_the_two_alexnets_are_two_networks():
    # F14: widths, groups and response normalisation differ; neither takes the other's weights.
    assert EXTRACTORS["alexnet"].toolkit_convention.order == "RGB"
    assert EXTRACTORS["alexnet_caffe"].toolkit_convention.order == "BGR"
    shapes = {
        name: {tuple(tensor.shape) for tensor in EmbeddingNetwork(name).network.parameters()}
        for name in ("alexnet", "alexnet_caffe")
    }
    assert (64, 3, 11, 11) in shapes["alexnet"]
    assert (256, 48, 5, 5) in shapes["alexnet_caffe"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alexnet", "RGB, /255, no mean, no deviation"),
        ("vgg16", "BGR, no mean"),
        ("resnet50", "BGR, minus (103.939, 116.779, 123.68)"),
        ("mobilenet_v2", "RGB, /127.5, minus (1, 1, 1)"),
        ("alexnet_caffe", "BGR, no mean"),
    ],
)
def test_toolkit_preprocessing_is_that_of_the_table(name, text):
    assert EXTRACTORS[name].toolkit_preprocessing == text


@pytest.mark.parametrize(
    ("convention", "omits", "expected"),
    [
        ("torch", [], [(200 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224, (50 / 255 - 0.406) / 0.225]),
        ("torch", ["mean", "deviation"], [200 / 255, 100 / 255, 50 / 255]),
        ("caffe", [], [50 - 103.939, 100 - 116.779, 200 - 123.68]),
        ("caffe", ["mean"], [50, 100, 200]),
        ("tf", [], [200 / 127.5 - 1, 100 / 127.5 - 1, 50 / 127.5 - 1]),
    ],
)
def test_conventions_by_hand(convention, omits, expected):
    pixel = np.array([200, 100, 50], np.float32).reshape(1, 3, 1, 1)
    result = CONVENTIONS[convention].apply(pixel, frozenset(omits)).reshape(3)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_keras_keeps_the_mean_that_the_toolkit_leaves_out():
    # F15, on the smallest network whose toolkit leaves something out.
    weights = load_weights("alexnet", "random:3")
    given = pictures(227)[:1]
    session = Session(extractor_graph("alexnet", weights, "keras").SerializeToString(), device="cpu")
    found = session.run({"picture": given}, ("embedding",))["embedding"]
    network = EmbeddingNetwork("alexnet").load(weights.tensors)
    omits = omissions("deepspectrum", EXTRACTORS["alexnet"].toolkit_omits)
    with torch.inference_mode():
        whole, toolkits = (network(torch.from_numpy(weights.convention.apply(given, o))).numpy() for o in ((), omits))
    assert relative(found, whole) <= 1e-4
    assert relative(found, toolkits) > 1e-2


def test_what_does_not_belong_together_is_refused():
    weights = load_weights("squeezenet", "random:1")
    with pytest.raises(ValueError, match="weights of squeezenet, not of alexnet"):
        extractor_graph("alexnet", weights)
    with pytest.raises(ValueError, match="no normalisation 'caffe'"):
        extractor_graph("squeezenet", weights, "caffe")


def test_another_writer_gives_the_same_graph(tmp_path):
    # PyTorch's own exporter shares no line with ours.
    weights = load_weights("mobilenet_v2", "random:5")
    network = EmbeddingNetwork("mobilenet_v2").load(weights.tensors)
    file = tmp_path / "other.onnx"
    given = pictures(224)[:1]
    normalised = torch.from_numpy(weights.convention.apply(given))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(network, (normalised,), file, input_names=["x"], output_names=["y"], dynamo=False)
    expected = Session(file, device="cpu").run({"x": normalised.numpy()}, ("y",))["y"]
    ours = Session(extractor_graph("mobilenet_v2", weights).SerializeToString(), device="cpu")
    assert relative(ours.run({"picture": given}, ("embedding",))["embedding"], expected) <= 1e-4
