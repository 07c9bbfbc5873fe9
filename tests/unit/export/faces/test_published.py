"""Published face networks become bundles that answer as PyTorch does; broken ones are refused in one line."""

from hashlib import sha256
from http.server import BaseHTTPRequestHandler

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export.__main__ import main
from export.faces import emotiefflib
from service.card import read_card
from service.pipeline.face.expression import ExpressionModel
from service.registry import Bundle
from tests.support.face_networks import LibreFaceResNet, small, write_libreface, write_network
from tests.support.http_server import Quiet, answering

IMAGENET = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
HALVES = torch.full((3,), 0.5), torch.full((3,), 0.5)
EIGHT = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
SEVEN = [name for name in EIGHT if name != "contempt"]
UNITS = ["AU01", "AU02", "AU04", "AU05", "AU06", "AU09", "AU12", "AU15", "AU17", "AU20", "AU25", "AU26"]
SIGNATURE = helper.make_tensor_value_info


def imported(file, tmp_path, *arguments):
    assert main(["import", str(file), "--out", str(tmp_path / "models"), *arguments]) == 0
    folder = next((tmp_path / "models").glob("*/*"))
    return folder, read_card(folder)


@pytest.mark.parametrize(
    ("outputs", "size_px", "colours", "labels", "plane"),
    [
        (7, 260, IMAGENET, SEVEN, False),
        (8, 224, IMAGENET, EIGHT, False),
        (10, 224, IMAGENET, EIGHT, True),
        (10, 112, HALVES, EIGHT, True),
    ],
)
def test_emotiefflib_answers_as_torch_does(tmp_path, outputs, size_px, colours, labels, plane):
    network = small(outputs)
    file = write_network(tmp_path / "enet_test.onnx", network, size_px)
    folder, card = imported(file, tmp_path)
    assert card.labels == labels
    assert (card.licence.spdx, card.licence.commercial_use) == ("Apache-2.0", True)
    assert card.settings["files"] == [f"{sha256(file.read_bytes()).hexdigest()}  enet_test.onnx"]
    model = ExpressionModel(Bundle(card, folder))
    picture = np.random.default_rng(1).random((size_px, size_px, 3)).astype(np.float32)
    means, deviations = colours
    with torch.no_grad():
        scores = network(((torch.from_numpy(picture) - means) / deviations).permute(2, 0, 1)[None])[0]
    wanted = [*scores[len(labels) :].clamp(-1, 1), *torch.softmax(scores[: len(labels)], 0)]
    np.testing.assert_allclose(model.look(picture), torch.stack(wanted).numpy(), atol=2e-5)
    assert model.columns.has_plane == plane
    assert model.columns.width == outputs


def test_libreface_answers_as_torch_does(tmp_path):
    network = LibreFaceResNet()
    file = write_libreface(tmp_path / "LibreFace_resnet.onnx", network)
    (tmp_path / "LICENSE").write_text("Research alone.")
    folder, card = imported(file, tmp_path)
    assert (card.settings["action_units"], card.labels) == (UNITS, [])
    assert (card.licence.spdx, card.licence.commercial_use) == ("LicenseRef-LibreFace-research", False)
    assert card.settings["licence_text"] == "Research alone."
    picture = np.random.default_rng(1).random((224, 224, 3)).astype(np.float32)
    means, deviations = IMAGENET
    with torch.no_grad():
        shares = network(((torch.from_numpy(picture) - means) / deviations).permute(2, 0, 1)[None])[0]
    look = ExpressionModel(Bundle(card, folder)).look(picture)
    np.testing.assert_allclose(look, 5 * shares.numpy(), atol=1e-4)


def graph(shape, output, *, name="input", opset=11, domain="", external=False, scale=1.0, sizes=None):
    weight = numpy_helper.from_array(np.full((3, output), scale, np.float32), "weight")
    if external:
        weight.data_location = TensorProto.EXTERNAL
        weight.ClearField("raw_data")
        weight.external_data.append(onnx.StringStringEntryProto(key="location", value="other.bin"))
    nodes = [
        helper.make_node("GlobalAveragePool", [name], ["mean"], domain=domain),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["output"]),
    ]
    inputs, outputs = (
        [SIGNATURE(name, TensorProto.FLOAT, shape)],
        [SIGNATURE("output", TensorProto.FLOAT, sizes or ["n", output])],
    )
    sets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(helper.make_graph(nodes, "face", inputs, outputs, [weight]), opset_imports=sets)
    model.ir_version = 7
    return model.SerializeToString()


FACE = ["n", 3, 224, 224]
BROKEN = {
    "cut": (graph(FACE, 8)[:-200], "not an ONNX graph, or cut off"),
    "text": (b"<html>not found</html>", "not an ONNX graph, or cut off"),
    "nine numbers": (graph(FACE, 9), "gives output [n, 9]; read are EmotiEffLib's"),
    "another size": (graph(["n", 3, 48, 48], 8), "takes input [n, 3, 48, 48]"),
    "grey": (graph(["n", 1, 224, 224], 8), None),
    "another input": (graph(FACE, 8, name="pixel_values"), "takes pixel_values"),
    "weights elsewhere": (graph(FACE, 8, external=True), "its weights lie in another file"),
    "old operators": (graph(FACE, 8, opset=9), "operators of set 9"),
    "foreign operators": (graph(FACE, 8, domain="com.example"), "operators of com.example"),
    "no numbers": (graph(FACE, 8, scale=np.nan), "not finite"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_one_line(tmp_path, capsys, name):
    data, wanted = BROKEN[name]
    file = tmp_path / "face.onnx"
    file.write_bytes(data)
    assert main(["import", str(file), "--out", str(tmp_path / "models")]) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert str(file) in told
    assert (wanted or "") in told
    assert not list((tmp_path / "models").glob("*/*/card.json"))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["missing.onnx"], "no such file"),
        (["face.onnx", "--embedding"], "are for speech models"),
        (["emotiefflib:enet_b9"], "known are enet_b0_8_best_afew"),
    ],
)
def test_what_cannot_be_imported_is_said(tmp_path, capsys, monkeypatch, arguments, wanted):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "face.onnx").write_bytes(graph(FACE, 8))
    assert main(["import", *arguments]) == 1
    assert wanted in capsys.readouterr().err


def test_offline_commands_say_what_they_do_not_do_with_it(tmp_path, capsys):
    file = tmp_path / "face.onnx"
    file.write_bytes(graph(FACE, 8))
    folder, _ = imported(file, tmp_path)
    assert main(["evaluate", str(folder), "--corpus", str(tmp_path)]) == 1
    assert "are not scored by this command" in capsys.readouterr().err
    assert main(["verify", str(folder)]) == 0
    assert "compared with the publisher's graph when it was imported" in capsys.readouterr().err


def test_the_policy_refuses_what_is_not_for_commerce(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EMOSERVE_LICENCE_POLICY", "commercial")
    file = tmp_path / "libreface.onnx"
    write_network(file, torch.nn.Sequential(small(12), torch.nn.Sigmoid()), names=("image", "AUs"), faces=1)
    assert main(["import", str(file), "--out", str(tmp_path / "models")]) == 1
    assert "forbids commercial use" in capsys.readouterr().err


class Publisher(Quiet, BaseHTTPRequestHandler):
    def do_GET(self):
        data = self.server.files.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.end_headers()
        self.wfile.write(data or b"")


@pytest.fixture
def publisher(monkeypatch):
    data = graph(FACE, 10)
    root = f"/{emotiefflib.COMMIT}"
    files = {f"{root}/LICENSE": b"Apache License", f"{root}/{emotiefflib.FOLDER}/enet_b0_8_va_mtl.onnx": data}
    monkeypatch.setitem(emotiefflib.SHA256, "enet_b0_8_va_mtl", sha256(data).hexdigest())
    with answering(Publisher) as server:
        server.files = files
        monkeypatch.setattr(emotiefflib, "ADDRESS", f"http://127.0.0.1:{server.server_port}")
        yield server


def fetch(tmp_path, *arguments):
    places = ["--downloads", str(tmp_path / "downloads"), "--out", str(tmp_path / "models")]
    return main(["import", "emotiefflib:enet_b0_8_va_mtl", *places, *arguments])


def test_a_download_asks_for_consent_first(tmp_path, capsys, publisher):
    assert fetch(tmp_path) == 1
    told = capsys.readouterr().err
    assert "Apache License" in told
    assert "--accept-licence Apache-2.0" in told
    assert not (tmp_path / "downloads").exists()
    assert fetch(tmp_path, "--accept-licence", "apache-2.0") == 0
    card = read_card(tmp_path / "models" / "enet_b0_8_va_mtl" / "1")
    assert card.settings["licence_text"] == "Apache License"
    assert card.settings["revision"] == emotiefflib.COMMIT


@pytest.mark.parametrize(("change", "wanted"), [("another", "its sha256 is"), ("missing", "cannot be fetched")])
def test_another_file_is_refused(tmp_path, capsys, publisher, change, wanted):
    address = next(name for name in publisher.files if name.endswith(".onnx"))
    publisher.files |= {address: None if change == "missing" else graph(FACE, 8)}
    assert fetch(tmp_path, "--accept-licence", "Apache-2.0") == 1
    assert wanted in capsys.readouterr().err
    assert not (tmp_path / "models").exists()
