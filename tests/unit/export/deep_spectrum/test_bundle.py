"""The extractors' bundles: exported, carded and verified by the commands, behind a small stand-in for the plot."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from export.__main__ import main
from export.catalogue import CATALOGUE
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.weights.load import random_tensors
from export.graph.builder import FLOAT, INT64, GraphBuilder
from service.card import read_card, write_card
from service.pipeline.device.session import Session


@dataclass(frozen=True)
class SmallPreset:
    """Fields of a plot's preset that a bundle reads."""

    name: str
    sample_rate_hz: int = 16_000
    fft_samples: int = 2048
    window_s: float | None = None
    hop_s: float | None = None


PRESETS = {"ottl-2020": SmallPreset("ottl-2020"), "windowed": SmallPreset("windowed", 8_000, 256, 4.0, 1.0)}


def small_plot(preset, size, sample_rate_hz=None):
    """Every pixel shows the loudest sample inside the clip, in three shades."""
    graph = GraphBuilder(f"plot-{preset.name}")
    waveform = graph.input("waveform", FLOAT, ["batch", "samples"])
    lengths = graph.input("lengths", INT64, ["batch"])
    places = graph.add("Range", graph.constant(np.array(0)), graph.add("Size", waveform), graph.constant(np.array(1)))
    samples = graph.add("Shape", waveform, start=1, end=2)
    places = graph.add("Slice", places, graph.constant([0]), samples, graph.constant([0]))
    inside = graph.add(
        "Less",
        graph.add("Unsqueeze", places, graph.constant([0])),
        graph.add("Unsqueeze", lengths, graph.constant([1])),
    )
    loud = graph.add("Mul", graph.add("Abs", waveform), graph.add("Cast", inside, to=FLOAT))
    peak = graph.add("ReduceMax", loud, graph.constant([1]), keepdims=1)
    ramp = np.linspace(40, 255, 3 * size * size, dtype=np.float32).reshape(1, 3, size, size)
    picture = graph.add("Mul", graph.add("Unsqueeze", peak, graph.constant([2, 3])), graph.constant(ramp))
    graph.output("picture", picture, FLOAT, ["batch", 3, size, size])
    return graph.model("tests", {})


def small_toolkit_picture(waveform, preset, size, sample_rate_hz):
    ramp = np.linspace(40, 255, 3 * size * size, dtype=np.float32).reshape(3, size, size)
    return np.round(np.abs(waveform).max() * ramp).astype(np.uint8).transpose(1, 2, 0)


@pytest.fixture(scope="module", autouse=True)
def plots():
    with pytest.MonkeyPatch.context() as patch:
        for name, members in {
            "export.deep_spectrum.picture.presets": {"PLOT_PRESETS": PRESETS},
            "export.deep_spectrum.picture.graph": {"plot_graph": small_plot},
            "export.deep_spectrum.picture.toolkit_picture": {"toolkit_picture": small_toolkit_picture},
        }.items():
            module = ModuleType(name)
            vars(module).update(members)
            patch.setitem(sys.modules, name, module)
        yield


@pytest.fixture(scope="module")
def exported(plots, tmp_path_factory):
    """A bundle of SqueezeNet from a file whose weights only look trained."""
    folder = tmp_path_factory.mktemp("exported")
    file = folder / "squeeze.safetensors"
    save_file(random_tensors("squeezenet", 21), file)
    words = ["export", "squeezenet", "--weights", file, "--licence", "MIT", "--commercial-use", "--out", folder]
    assert main(list(map(str, words))) == 0
    return folder / "deep-spectrum-squeezenet/1"


@pytest.fixture
def squeeze(exported, tmp_path):
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(exported, tmp_path / "deep-spectrum-squeezenet/1"))


def test_a_bundle_says_what_it_is(squeeze):
    card = read_card(squeeze)
    assert (card.name, card.task, card.priority) == ("deep-spectrum-squeezenet", "speech-embedding", 0)
    assert (card.speech.preset, card.speech.sample_rate_hz, card.speech.min_length_s) == ("ottl-2020", 16_000, 0.128)
    assert card.speech.window_s == card.speech.max_length_s == 30.0
    (member,) = card.members
    assert (member.network, member.dimensions, member.licence.spdx) == ("squeezenet", 2048, "MIT")
    assert len(member.weights_sha256) == 64
    assert card.parity.largest_difference <= card.parity.tolerance
    assert card.settings["convention"] == "torch"
    session = Session(squeeze / card.file_with_role("model"), device="cpu")
    session.require(("waveform", "lengths"), ("embedding",))
    waveform = np.random.default_rng(0).uniform(-1, 1, (2, 400)).astype(np.float32)
    answer = session.run({"waveform": waveform, "lengths": np.array([400, 300])}, ("embedding",))["embedding"]
    assert answer.shape == (2, 2048)


def test_random_weights_are_marked_unusable(tmp_path):
    words = ["export", "mobilenet_v2", "--weights", "random:4", "--preset", "windowed", "--normalisation", "keras"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    card = read_card(tmp_path / "deep-spectrum-mobilenet-v2/1")
    assert "unusable" in card.title
    assert card.settings["usable"] is False
    assert card.priority < 0
    assert card.intended_use.startswith("None")
    assert "Unusable" in card.known_limits[0]
    assert card.members[0].weights_sha256 == ""
    assert (card.speech.sample_rate_hz, card.speech.window_s, card.speech.hop_s) == (8_000, 4.0, 1.0)
    assert card.speech.preset == "windowed, keras"  # features of two normalisations are not interchangeable


def test_verify_passes(squeeze, capsys):
    assert main(["verify", str(squeeze), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"]
    assert result["torch_difference"] <= 1e-4
    assert result["batch_difference"] <= 1e-5
    assert 0.995 <= result["toolkit_cosine"] <= 1.00001


def test_verify_fails_where_the_graph_is_another_network(squeeze, capsys):
    file = squeeze / "deep-spectrum.onnx"
    model = onnx.load(file)
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    pool.op_type = "AveragePool"
    onnx.save(model, file)
    assert main(["verify", str(squeeze)]) == 1
    assert capsys.readouterr().out.startswith("FAIL deep-spectrum-squeezenet/1")


def test_verify_fails_where_the_plot_is_not_the_toolkits(squeeze, capsys, monkeypatch):
    noise = np.random.default_rng(1).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    toolkit = sys.modules["export.deep_spectrum.picture.toolkit_picture"]
    monkeypatch.setattr(toolkit, "toolkit_picture", lambda *_: noise)
    assert main(["verify", str(squeeze)]) == 1
    assert "toolkit's picture cosine 0." in capsys.readouterr().out


def test_verify_says_why_other_tasks_are_left_out(squeeze, tmp_path, capsys):
    card = read_card(squeeze).model_copy(update={"task": "voice-activity", "name": "other"})
    write_card(card, tmp_path / "other/1")
    assert main(["verify", str(tmp_path / "other/1")]) == 0
    assert "not checked: other/1 (voice-activity: the publisher's graph" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["squeezenet", "--weights", "random:1", "--preset", "none"], "no plot preset 'none'"),
        (["squeezenet", "--weights", "missing.pth"], "missing.pth"),
        (["alexnet_caffe"], "name bvlc_alexnet.caffemodel as a file"),
    ],
)
def test_failures_are_one_line(words, reason, tmp_path, capsys):
    assert main(["export", *words, "--out", str(tmp_path / "models")]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("emoserve-export: ")
    assert reason in line
    assert not (tmp_path / "models").exists()


def test_all_networks_are_in_the_catalogue_and_have_a_command(capsys):
    named = {entry.name: entry for entry in CATALOGUE}
    for extractor in EXTRACTORS.values():
        entry = named[f"deep spectrum {extractor.name}"]
        assert extractor.item in entry.items
        assert entry.command.startswith(f"emoserve-export export {extractor.name} ")
        with pytest.raises(SystemExit):
            main(["export", extractor.name, "--help"])
        assert "--weights" in capsys.readouterr().out
