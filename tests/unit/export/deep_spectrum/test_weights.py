"""Weights of every kind of file become the same tensors, and wrong files are named by their first mismatch."""

import hashlib
import urllib.error

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file

from export.deep_spectrum.networks.graph import extractor_graph
from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.networks.network import EmbeddingNetwork, embedding_names, expected_shapes
from export.deep_spectrum.weights import load, publisher
from export.deep_spectrum.weights.caffe_file import read_caffe_file
from export.deep_spectrum.weights.load import load_weights, random_tensors
from export.deep_spectrum.weights.onnx_layers import layers_of
from export.deep_spectrum.weights.onnx_names import names_by_order
from export.deep_spectrum.weights.torch_file import present_name
from tests.support.weight_files import caffe_network, write_classifier


@pytest.fixture(scope="module")
def squeeze():
    return random_tensors("squeezenet", 11)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        np.testing.assert_array_equal(found[key], tensor, err_msg=key)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "module."])
def test_state_dictionaries(squeeze, tmp_path, wrapper):
    state = {key: torch.from_numpy(tensor) for key, tensor in squeeze.items()}
    if wrapper == "state_dict":
        state = {"state_dict": state, "epoch": 3}
    elif wrapper:
        state = {wrapper + key: tensor for key, tensor in state.items()}
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    weights = load_weights("squeezenet", file)
    assert_equal(weights.tensors, squeeze)
    assert weights.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert weights.convention.name == "torch"
    assert weights.trained
    assert not weights.licence.commercial_use  # nothing is known of the file


def test_safetensors_without_a_head_and_with_another_convention(squeeze, tmp_path):
    body = {key: tensor for key, tensor in squeeze.items() if key.startswith("features")}
    file = tmp_path / "weights.safetensors"
    save_file(body, file)
    weights = load_weights("squeezenet", str(file), convention="caffe")
    assert_equal(weights.tensors, body)
    assert weights.convention.order == "BGR"
    extractor_graph("squeezenet", weights)


def test_half_precision_is_widened(squeeze, tmp_path):
    file = tmp_path / "half.pt"
    torch.save({key: torch.from_numpy(tensor).half() for key, tensor in squeeze.items()}, file)
    weights = load_weights("squeezenet", file)
    assert weights.tensors["features.0.weight"].dtype == np.float32
    np.testing.assert_allclose(weights.tensors["features.0.weight"], squeeze["features.0.weight"], rtol=1e-3, atol=1e-6)


def test_onnx_by_name(squeeze, tmp_path):
    file = write_classifier(tmp_path / "named.onnx", "squeezenet", squeeze)
    weights = load_weights("squeezenet", file)
    assert_equal(weights.tensors, squeeze)
    assert (weights.convention.name, weights.variant) == ("torch", "torch")


def test_onnx_by_order_needs_a_convention(squeeze, tmp_path):
    file = write_classifier(tmp_path / "unnamed.onnx", "squeezenet", squeeze, producer="somebody", mark="w_")
    with pytest.raises(WeightsError, match="does not tell how pictures were normalised"):
        load_weights("squeezenet", file)
    head = load_weights("squeezenet", file, convention="caffe")
    body = {key: tensor for key, tensor in squeeze.items() if key in head.tensors}
    assert_equal(head.tensors, body)
    assert body.keys() >= set(embedding_names("squeezenet"))


def test_onnx_with_folded_normalisation_computes_the_same(tmp_path):
    tensors = random_tensors("mobilenet_v2", 12)
    file = write_classifier(tmp_path / "folded.onnx", "mobilenet_v2", tensors, mark="w_")
    weights = load_weights("mobilenet_v2", file)
    assert weights.variant == "torch"
    np.testing.assert_allclose(weights.tensors["features.0.1.weight"], 1.0, atol=1e-5)
    original = extractor_graph("mobilenet_v2", load_weights("mobilenet_v2", "random:12"))
    again = layers_of(extractor_graph("mobilenet_v2", weights).graph)
    for one, other in zip(again, layers_of(original.graph), strict=True):
        np.testing.assert_allclose(one.tensors["weight"], other.tensors["weight"], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(one.tensors["bias"], other.tensors["bias"], rtol=1e-5, atol=1e-6)


def test_tensorflows_arithmetic_is_recognised(tmp_path):
    tensors = random_tensors("mobilenet_v2", 13)
    file = tmp_path / "tensorflow.onnx"
    write_classifier(file, "mobilenet_v2", tensors, variant="tensorflow", producer="x", mark="w_")
    assert load_weights("mobilenet_v2", file, convention="tf").variant == "tensorflow"


def test_keras_strides_in_the_first_convolution_of_a_block():
    strides = {
        variant: [getattr(EmbeddingNetwork("resnet50", variant).network.layer2[0], f"conv{i}").stride for i in (1, 2)]
        for variant in ("torch", "tensorflow")
    }
    assert strides == {"torch": [(1, 1), (2, 2)], "tensorflow": [(2, 2), (1, 1)]}
    with pytest.raises(ValueError, match="no variant 'tensorflow'"):
        EmbeddingNetwork("squeezenet", "tensorflow")


def test_onnx_that_computes_something_else_is_refused(squeeze, tmp_path):
    file = write_classifier(tmp_path / "other.onnx", "squeezenet", squeeze)
    model = onnx.load(file)
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    pool.op_type = "AveragePool"
    onnx.save(model, file)
    with pytest.raises(WeightsError, match="has the shapes of squeezenet but computes something else"):
        load_weights("squeezenet", file)


def test_normalisations_of_a_file_keep_its_epsilon_and_the_bias_in_front():
    # A densenet's own graph holds folded and unfolded normalisations; a changed ε moves into the variance.
    tensors = random_tensors("densenet121", 14)
    model = extractor_graph("densenet121", load_weights("densenet121", "random:14"))
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            epsilon = next(attribute for attribute in node.attribute if attribute.name == "epsilon")
            epsilon.f = 1e-3
    found = names_by_order("densenet121", layers_of(model.graph), "file")
    kept = "features.denseblock1.denselayer1.norm1.running_var"
    np.testing.assert_allclose(found[kept], tensors[kept] + 1e-3 - 1e-5, rtol=1e-6)
    last = "features.denseblock4.denselayer16.conv2.weight"
    np.testing.assert_array_equal(found[last], tensors[last])


@pytest.mark.parametrize("old", [True, False])
def test_caffemodels(tmp_path, old):
    random = np.random.default_rng(15)
    kernel, bias = random.standard_normal((6, 2, 3, 3)), random.standard_normal(6)
    dense, dense_bias = random.standard_normal((300, 54)), random.standard_normal(300)
    blobs = {"conv1": [kernel, bias], "relu1": [], "fc6": [dense, dense_bias]}
    file = tmp_path / "small.caffemodel"
    file.write_bytes(caffe_network(blobs, old=old))
    found = read_caffe_file(file)
    expected = {"conv1.weight": kernel, "conv1.bias": bias, "fc6.weight": dense, "fc6.bias": dense_bias}
    assert_equal(found, {key: value.astype(np.float32) for key, value in expected.items()})


def test_a_whole_caffemodel(tmp_path, monkeypatch):
    tensors = random_tensors("alexnet_caffe", 16)
    names = dict.fromkeys(key.rpartition(".")[0] for key in tensors)
    blobs = {name: [tensors[f"{name}.weight"], tensors[f"{name}.bias"]] for name in names}
    file = tmp_path / "bvlc_alexnet.caffemodel"
    file.write_bytes(caffe_network(blobs, old=True))
    monkeypatch.setattr(load, "CAFFE_SHA1", hashlib.sha1(file.read_bytes()).hexdigest())
    weights = load_weights("alexnet_caffe", file)
    file.unlink()
    assert_equal(weights.tensors, tensors)
    assert (weights.convention.name, weights.licence.spdx) == ("caffe", "LicenseRef-bvlc-unrestricted")


def test_a_caffemodel_of_unknown_origin_has_no_licence(tmp_path):
    file = tmp_path / "bvlc_alexnet.caffemodel"
    file.write_bytes(b"something else")
    origin = load._origin("alexnet_caffe", file, "0" * 64)
    assert (origin.licence.spdx, origin.licence.commercial_use) == ("LicenseRef-unknown", False)


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_cut_caffemodel_is_refused(tmp_path, cut):
    file = tmp_path / "cut.caffemodel"
    whole = caffe_network({"conv1": [np.ones((4, 3, 3, 3)), np.ones(4)]}, old=False)
    file.write_bytes(whole[:-cut])
    with pytest.raises(WeightsError, match="is not a caffemodel"):
        read_caffe_file(file)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x0b\x00", b"\x08" + b"\xff" * 11])
def test_what_is_no_caffemodel_is_refused(tmp_path, content):
    file = tmp_path / "no.caffemodel"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="is not a caffemodel"):
        read_caffe_file(file)


def test_the_first_mismatch_is_named(squeeze, tmp_path):
    missing, wrong, broken = (dict(squeeze) for _ in range(3))
    del missing["features.3.squeeze.bias"]
    wrong["features.0.weight"] = np.zeros((96, 3, 7, 7), np.float32)  # SqueezeNet 1.0's
    broken["features.0.bias"] = np.full(64, np.nan, np.float32)
    for tensors, reason in (
        (missing, r"is not squeezenet: it has no features\.3\.squeeze\.bias"),
        (wrong, r"features\.0\.weight has the shape \(96, 3, 7, 7\), expected \(64, 3, 3, 3\)"),
        (broken, r"features\.0\.bias has values that are not finite"),
    ):
        save_file(tensors, tmp_path / "x.safetensors")
        with pytest.raises(WeightsError, match=reason):
            load_weights("squeezenet", tmp_path / "x.safetensors")


def test_onnx_of_another_network_is_named(squeeze, tmp_path):
    file = write_classifier(tmp_path / "squeeze.onnx", "squeezenet", squeeze)
    with pytest.raises(WeightsError, match=r"is not mobilenet_v2: for features\.0\.0 \(32, 3, 3, 3\) it has the conv"):
        load_weights("mobilenet_v2", file)


@pytest.mark.parametrize(
    ("name", "suffix", "reason"),
    [
        ("squeezenet", ".pth", "is not a file of PyTorch weights"),
        ("squeezenet", ".safetensors", "is not a safetensors file"),
        ("squeezenet", ".onnx", "is not an ONNX file|cannot be run|is not squeezenet"),
        ("mobilenet_v2", ".tflite", "not a readable TFLite file"),
        ("squeezenet", ".tflite", "for mobilenet_v2 alone"),
        ("squeezenet", ".caffemodel", "for alexnet_caffe alone"),
        ("squeezenet", ".h5", "weights are .pt"),
    ],
)
def test_damaged_and_foreign_files(tmp_path, name, suffix, reason):
    file = tmp_path / f"file{suffix}"
    file.write_bytes(b"nothing of use, only bytes")
    with pytest.raises(WeightsError, match=reason):
        load_weights(name, file)


class Mischief:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_is_not_executed(tmp_path, capsys):
    torch.save({"features.0.weight": Mischief()}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match="is not a file of PyTorch weights"):
        load_weights("squeezenet", tmp_path / "evil.pt")
    assert "executed" not in capsys.readouterr().out


def test_random_weights_are_seeded_and_marked(squeeze):
    weights = load_weights("squeezenet", "random:11")
    assert_equal(weights.tensors, squeeze)
    assert not weights.trained
    assert weights.sha256 == ""
    with pytest.raises(WeightsError, match="is no seed"):
        load_weights("squeezenet", "random:x")


def test_unknown_names_are_refused():
    with pytest.raises(WeightsError, match="no extractor 'resnet18'"):
        load_weights("resnet18", "random:1")
    with pytest.raises(WeightsError, match="no convention 'bgr'"):
        load_weights("squeezenet", "random:1", convention="bgr")


def test_densenets_old_names():
    old = "features.denseblock1.denselayer16.norm.1.running_mean"
    assert present_name(old) == "features.denseblock1.denselayer16.norm1.running_mean"
    assert present_name(old) in {key.replace("denselayer1.", "denselayer16.") for key in expected_shapes("densenet121")}
    assert present_name("features.norm5.weight") == "features.norm5.weight"


@pytest.mark.parametrize("name", ["vgg16", "squeezenet", "xception"])
def test_without_a_network_the_publisher_is_missed_in_one_line(name, tmp_path, monkeypatch):
    def refuse(url, *_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(WeightsError, match=r"cannot be downloaded .* and name the file") as caught:
        load_weights(name, "publisher")
    assert "\n" not in str(caught.value)


def test_the_publishers_file_is_taken_from_the_cache(squeeze, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub/checkpoints/squeezenet1_1-b8a52dc0.pth"
    file.parent.mkdir(parents=True)
    torch.save({key: torch.from_numpy(tensor) for key, tensor in squeeze.items()}, file)
    monkeypatch.setattr(publisher, "_digest_in_name", lambda _: hashlib.sha256(file.read_bytes()).hexdigest()[:8])
    weights = load_weights("squeezenet", "publisher")
    assert_equal(weights.tensors, squeeze)
    assert weights.source == "torchvision IMAGENET1K_V1 (squeezenet1_1-b8a52dc0.pth)"
    assert weights.licence.spdx == "BSD-3-Clause"
